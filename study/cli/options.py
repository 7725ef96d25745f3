"""What the commands' words mean: options and arguments with their help, and how their text is read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from study.declare.study import Study

Studies = Annotated[
    list[str], typer.Argument(metavar="FILE_OR_NAME...", help="Study files, or names of `study list`.")
]
Seeds = Annotated[
    int | None,
    typer.Option(
        help="Repeat each arm with the seeds 0 to N-1.  [default: as many as the study plans, or 3]",
        show_default=False,
    ),
]
UntilDecided = Annotated[
    bool,
    typer.Option(
        "--until-decided",
        help="Add seeds to arms of which a claim is undecided (or, without claims, a difference), until none is.",
    ),
]
MaxSeeds = Annotated[
    int | None,
    typer.Option(
        min=3,
        metavar="N",
        help="With --until-decided: at most so many seeds.  [default: 30]",
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a hyperparameter for all arms; repeatable."),
]
DatasetOption = Annotated[
    str | None, typer.Option("--dataset", help="Short for --set dataset=..., where the training has it.")
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        envvar="STUDY_DATA",
        help="Folder with the data, or to download them to.  [default: ./data]",
    ),
]
Epochs = Annotated[int | None, typer.Option(help="Short for --set epochs=..., where the training has it.")]
Precision = Annotated[
    str | None, typer.Option(help="Short for --set precision=..., where the training has it.")
]
Storage = Annotated[
    str | None,
    typer.Option(
        envvar="STUDY_STORAGE", help="Folder or URL (s3://...) of the results.  [default: ./results]"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
HOW = "How to run"
Address = Annotated[
    str | None,
    typer.Option(help="Address of a running Ray cluster; starts one here without it.", rich_help_panel=HOW),
]
JobServer = Annotated[
    str, typer.Option("--address", help="The cluster's job server, such as http://localhost:8265.")
]
TrustAddress = Annotated[
    bool,
    typer.Option(
        "--trust-address",
        help="Send the token over http to another machine, or to another user's port, too.",
    ),
]
CpusPerTrial = Annotated[
    float | None,
    typer.Option(
        help="Cores of a trial; automatic is 1, or 2 where its training has use for them.",
        rich_help_panel=HOW,
    ),
]
GpusPerTrial = Annotated[
    str,
    typer.Option(
        metavar="auto|F",
        help="GPUs of a trial, or a fraction such as 0.25; auto measures.",
        rich_help_panel=HOW,
    ),
]
MaxConcurrent = Annotated[
    int | None, typer.Option(min=1, help="Run at most this many trials at once.", rich_help_panel=HOW)
]
CheckpointEvery = Annotated[
    float,
    typer.Option(
        min=0, metavar="SECONDS", help="Save running trials this often, at most.", rich_help_panel=HOW
    ),
]
TrialTimeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", help="A trial that takes longer fails; the others go on.", rich_help_panel=HOW
    ),
]
MaxFailures = Annotated[
    int,
    typer.Option(min=0, help="Start a trial again whose process was lost, this often.", rich_help_panel=HOW),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        metavar="asha|hyperband|median",
        help="Stop trials early that fall behind in the metric that is watched.",
    ),
]
Budget = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Of studies that search: so many trials may be tried."),
]
SamplerOption = Annotated[
    str | None,
    typer.Option(
        "--sampler",
        metavar="NAME",
        help="Of studies that search, what suggests trials: tpe, gp, cmaes, nsga2, qmc or random.",
    ),
]
Measure = Annotated[
    bool, typer.Option("--measure", help="Do some steps of each kind of trial, which takes about 5 s each.")
]
PricePerHour = Annotated[
    float | None,
    typer.Option(min=0, help="What a machine costs an hour, in any currency; tells the price of all."),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget the stored results of these trials first.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any that is free.")]
Serve = Annotated[
    bool, typer.Option("--serve", help="Show the storage in a browser meanwhile, as `study serve` does.")
]
InProcess = Annotated[
    bool,
    typer.Option(
        "--in-process",
        help="Train one trial after the other in this process, without Ray: for a debugger, or a small study.",
        rich_help_panel=HOW,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")]
TensorBoard = Annotated[
    bool,
    typer.Option("--tensorboard", help="Write TensorBoard's event files into the storage, while trials run."),
]
KeepWeights = Annotated[
    bool,
    typer.Option("--keep-weights", help="Keep what each trial has learned, for `study.trained` in Python."),
]


# Short forms of --set for hyperparameters that many trainings have.
SHORT = ("dataset", "epochs", "precision")
# `.05`, `1.`, `1_000`, `+3`: numbers of Python that are none of JSON. What begins with zeros, as `007`, may be a name.
NUMBER = re.compile(r"[+-]?(?!0\d)(\d+(_\d+)*\.?|(\d+(_\d+)*)?\.\d+(_\d+)*)(e[+-]?\d+)?", re.IGNORECASE)


def overrides(
    studies: Sequence[Study],
    pairs: list[str] | None,
    dataset: str | None,
    epochs: int | None,
    precision: str | None,
) -> dict[str, Any]:
    """What --set and its short forms say together, of hyperparameters that the studies' trainings have."""
    from study.errors import StudyError

    found = settings(pairs or [])
    for name, value in zip(SHORT, (dataset, epochs, precision), strict=True):
        if value is not None:
            if name in found:
                raise StudyError(f"--{name} {value}: {name} is given with --set too")
            found[name] = value
    for name, value in found.items():
        option = f"--{name}" if name in SHORT and name not in settings(pairs or []) else f"--set {name}"
        _check_known(option, name, studies)
        if isinstance(value, float) and value.is_integer() and _is_whole(name, studies, pairs or []):
            found[name] = int(value)
    return found


def _is_whole(name: str, studies: Sequence[Study], pairs: list[str]) -> bool:
    """Whether `--set NAME=1e2` is written without a point, and means a hyperparameter that takes whole numbers only."""
    from typing import get_args

    kinds = [study.kind.Config.model_fields[name].annotation for study in studies]
    taken = {inner for kind in kinds for inner in (kind, *get_args(kind))}
    return (
        int in taken
        and float not in taken
        and not any(pair.startswith(f"{name}=") and "." in pair for pair in pairs)
    )


def _check_known(option: str, name: str, studies: Sequence[Study]) -> None:
    from study.errors import StudyError, did_you_mean

    for study in studies:
        known = study.kind.Config.model_fields
        if name not in known:
            raise StudyError(
                f"{option}: {study.kind.called()}, the training of {study.name}, has no hyperparameter "
                f"{name!r}{did_you_mean(name, known)}"
            )


def settings(pairs: list[str]) -> dict[str, Any]:
    """`lr=0.05` -> {"lr": 0.05}; a value that is neither JSON nor a number as Python writes it is text."""
    from study.errors import StudyError

    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise StudyError(f"--set {pair}: write KEY=VALUE, such as --set lr=0.05")
        if key == "seed":
            raise StudyError(f"--set {pair}: --seeds N runs the seeds 0 to N-1")
        if key in settings:
            raise StudyError(f"--set {pair}: {key} is given twice")
        settings[key] = _value(text)
    return settings


def _value(text: str) -> Any:
    for read in (json.loads, *((int, float) if NUMBER.fullmatch(text) else ())):
        try:
            return read(text)
        except (ValueError, RecursionError):  # what nests too deep to be read is no value either
            continue
    return text
