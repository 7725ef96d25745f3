"""The commands for a training of one's own: new, check."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from study.cli.options import AsJson, CpusPerTrial, DataDir, GpusPerTrial, Set, overrides
from study.terminal import say

FAILED = 1

commands = typer.Typer()


@commands.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the study: NAME.py is written.")],
    as_class: Annotated[
        bool, typer.Option("--class", help="A training in steps, which can be continued.")
    ] = False,
    as_function: Annotated[
        bool, typer.Option("--function", help="A function that reports what it measures.")
    ] = False,
    as_script: Annotated[
        bool, typer.Option("--script", help="A script of any kind, run as a command.")
    ] = False,
) -> None:
    """Write a study file to begin with, with a training of your own: a class, unless another kind is asked for.

    Example: `study new my_study --function`
    """
    from study.errors import StudyError
    from study.new import write

    if as_class + as_function + as_script > 1:
        raise StudyError("Give one of --class, --function and --script.")
    kind: Literal["class", "function", "script"] = (
        "function" if as_function else "script" if as_script else "class"
    )
    for path in write(name, kind, Path()):
        say(f"wrote {path}")
    say(f"Next: study check {name.removesuffix('.py')}.py", err=True)


@commands.command()
def check(
    study: Annotated[
        str, typer.Argument(metavar="FILE_OR_NAME", help="A study file, or a name of `study list`.")
    ],
    steps: Annotated[
        int | None, typer.Option(min=2, help="Try this many steps.  [default: at most 20]")
    ] = None,
    set_: Set = None,
    data_dir: DataDir = None,
    cpus_per_trial: CpusPerTrial = None,
    gpus_per_trial: GpusPerTrial = "auto",
    as_json: AsJson = False,
) -> None:
    """Prove in new processes, before a long run, that a study's training keeps what results rest on.

    Trained twice it gives the same bits; saved and continued in a new process too, and after another arm in the same
    process; its state is plain data; the seed changes something; each metric is measured. Says what a step, a
    checkpoint and a trial cost. Exits with 1 where a promise is broken.

    Example: `study check my_study.py`
    """
    from study import check as checking
    from study.cli import printing
    from study.declare.data import default_folder
    from study.declare.loading import load
    from study.running.options import Options
    from study.running.resources import decide, this_machine

    loaded = load(study)
    options = Options(cpus_per_trial=cpus_per_trial, gpus_per_trial=gpus_per_trial)
    changed = overrides([loaded], set_, None, None, None)
    here = this_machine()
    gpus = min(1, here.gpus) if options.gpus_per_trial is None else options.gpus_per_trial
    arm = next(arm for arm in loaded.expand() if arm.label == loaded.reference_arm())
    cost = loaded.kind.cost(loaded.config(arm, arm.candidates[0], changed))
    share = decide(options.cpus_per_trial, gpus, [here], cost)
    found = checking.check(loaded, changed, data_dir or default_folder(), share.threads, share.gpus, steps)
    if as_json:
        printing.as_json({**asdict(found), "kept": found.kept})
    else:
        for finding in found.findings:
            say(f"{'ok' if finding.kept else 'broken':<7} {finding.promise}")
            if finding.said:
                say(f"{'':<7} {finding.said}")
        for line in checking.costs(found):
            say(line)
    if not found.kept:
        raise typer.Exit(FAILED)
