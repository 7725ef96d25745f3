"""The command line: words in, words out. Data goes to stdout, progress and errors to stderr."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from study.plan import Plan
    from study.spec import Study
    from study.store import TrialStore

# Heavy imports stand inside the commands: `study --help` imports no torch, no Ray and no pandas.

DONE, FAILED, WRONG_REQUEST, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    help="Controlled hyperparameter studies of PyTorch trainings on Ray Tune.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Studies = Annotated[
    list[str], typer.Argument(metavar="FILE_OR_NAME...", help="Study files, or names of `study list`.")
]
Seeds = Annotated[int, typer.Option(help="Repeat each arm with the seeds 0 to N-1.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a hyperparameter for all arms; repeatable."),
]
DatasetOption = Annotated[
    str | None, typer.Option("--dataset", help="mnist, fashion_mnist, kmnist, qmnist or digits (embedded).")
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        envvar="STUDY_DATA",
        help="Folder with the data, or to download them to.  [default: ./data]",
    ),
]
Epochs = Annotated[int | None, typer.Option(help="Epochs of every arm.")]
Precision = Annotated[str | None, typer.Option(help="float32 or bfloat16.")]
Storage = Annotated[
    str | None,
    typer.Option(
        envvar="STUDY_STORAGE", help="Folder or URL (s3://...) of the results.  [default: ./results]"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
HOW = "How to run (changes no result)"
Address = Annotated[
    str | None,
    typer.Option(help="Address of a running Ray cluster; starts one here without it.", rich_help_panel=HOW),
]
CpusPerTrial = Annotated[
    float | None, typer.Option(help="Cores of a trial; automatic is 1.", rich_help_panel=HOW)
]
GpusPerTrial = Annotated[
    str,
    typer.Option(metavar="auto|F", help="GPUs of a trial, or a fraction such as 0.25.", rich_help_panel=HOW),
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


SchedulerOption = Annotated[
    str | None,
    typer.Option(metavar="asha", help="Stop trials early that fall behind in training accuracy."),
]


@app.command("list")
def list_studies(as_json: AsJson = False) -> None:
    """List the studies that can be given by name.

    Looks in ./search_spaces and in the studies that came with the installation.
    """
    from study import show
    from study.loading import available, load

    studies = [load(path) for path in available().values()]
    studies.sort(key=lambda study: (study.figure or 10**6, study.name))
    if as_json:
        show.as_json([{"name": of.name, "figure": of.figure, "title": of.title, "question": of.question,
                      "arms": [arm.label for arm in of.expand()]} for of in studies])  # fmt: skip
        return
    show.table(
        ["study", "figure", "question", "arms"],
        [
            [of.name, str(of.figure or ""), of.question, ", ".join(arm.label for arm in of.expand())]
            for of in studies
        ],
    )


@app.command()
def plan(
    studies: Studies,
    seeds: Seeds = 3,
    set_: Set = None,
    dataset: DatasetOption = None,
    data_dir: DataDir = None,
    epochs: Epochs = None,
    precision: Precision = None,
    storage: Storage = None,
    cpus_per_trial: CpusPerTrial = None,
    gpus_per_trial: GpusPerTrial = "auto",
    as_json: AsJson = False,
) -> None:
    """Show what `study tune` with the same words would train. Writes nothing.

    Example: `study plan network_width --seeds 5`
    """
    from study import show
    from study.models import cost
    from study.resources import decide, this_machine

    _, _, made = _planned(studies, seeds, set_, dataset, data_dir, epochs, precision, storage)
    costs = {key: cost(trial.config) for key, trial in made.trials.items()}
    node = this_machine()
    shares = {
        key: decide(cpus_per_trial, _gpus(gpus_per_trial), [node], of.flops) for key, of in costs.items()
    }
    show.plan(made, as_json, costs, shares)


@app.command()
def tune(
    studies: Studies,
    seeds: Seeds = 3,
    set_: Set = None,
    dataset: DatasetOption = None,
    data_dir: DataDir = None,
    epochs: Epochs = None,
    precision: Precision = None,
    storage: Storage = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget the stored results of these trials first.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    address: Address = None,
    cpus_per_trial: CpusPerTrial = None,
    gpus_per_trial: GpusPerTrial = "auto",
    max_concurrent: MaxConcurrent = None,
    checkpoint_every: CheckpointEvery = 10.0,
    scheduler: SchedulerOption = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard's event files into the storage.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a study's trials that the storage does not have yet; then print its table.

    Run the same command again after anything that stopped it: it continues. With more seeds, or with
    values added to the study, it trains only those.

    Examples:

    `study tune search_spaces/network_width.py`

    `study tune network_width --dataset digits --epochs 5 --set batch_size=32`
    """
    from rich.console import Console

    from study import api, show
    from study.config import StudyError
    from study.runner import Options

    if scheduler not in (None, "asha"):
        raise StudyError(f"--scheduler {scheduler}: the only one is asha")
    store, folder, made = _planned(
        studies, seeds, set_, dataset, data_dir, epochs, precision, storage, fresh, scheduler is not None
    )
    if dry_run:
        show.plan(made, as_json)
        return
    options = Options(
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=_gpus(gpus_per_trial),
        max_concurrent=max_concurrent,
        address=address,
        checkpoint_seconds=checkpoint_every,
        scheduler=scheduler,
        tensorboard=tensorboard,
    )
    console = Console(stderr=True)
    known = f"{len(made.stored)} stored, " if made.stored else ""
    if made.interrupted:
        known += f"{len(made.interrupted)} to continue, "
    console.print(f"{len(made.trials)} trials: {known}{len(made.pending)} to train", highlight=False)
    try:
        outcome = api.tune(made, store, folder, options, console)
    except KeyboardInterrupt:
        _stopped()
    if outcome.interrupted:
        _stopped()
    show.results(store, [record["name"] for record in made.records], as_json)
    for trial, reason, where in outcome.failed.values():
        typer.echo(f"{trial.name} failed: {reason}\n  whole traceback: {where}", err=True)
    if outcome.failed:
        raise typer.Exit(FAILED)


@app.command()
def status(
    studies: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="All that the storage has, if none is named."),
    ] = None,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Show how far the studies in a storage are: finished, begun and missing trials."""
    from study import api, show
    from study.store import keys_of

    store = api.open_store(storage)
    finished, begun, stopped = store.finished(), store.interrupted(), store.stopped()
    rows = []
    for name in studies or store.studies():
        keys = set(keys_of(store.study(Path(name).stem)))
        counts = {
            "finished": len(keys & finished),
            "stopped": len(keys & stopped),
            "begun": len(keys & begun - stopped),
        }
        missing = len(keys) - sum(counts.values())
        rows.append({"study": name, "trials": len(keys), **counts, "missing": missing})
    if as_json:
        show.as_json(rows)
    elif rows:
        show.table(list(rows[0]), [[str(value) for value in row.values()] for row in rows])
    else:
        typer.echo(f"No study has been run in {store.root} yet.")


def main() -> None:
    """Entry point of the console script: turns a user's mistake into lines on stderr and exit code 2."""
    from study.config import StudyError

    try:
        app()
    except StudyError as error:
        for line in error.mistakes:
            typer.echo(line, err=True)
        sys.exit(WRONG_REQUEST)


def _planned(
    files: list[str],
    seeds: int,
    set_: list[str] | None,
    dataset: str | None,
    data_dir: Path | None,
    epochs: int | None,
    precision: str | None,
    storage: str | None,
    fresh: bool = False,
    keep_stopped: bool = False,
) -> tuple[TrialStore, Path, Plan]:
    from study import api, data
    from study.loading import load
    from study.plan import make_plan

    overrides = _settings(set_ or [])
    for name, value in (("dataset", dataset), ("epochs", epochs), ("precision", precision)):
        if value is not None:
            overrides[name] = value
    loaded: list[Study] = [load(of) for of in dict.fromkeys(files)]
    folder = data_dir or data.default_folder()
    store = api.open_store(storage)
    return store, folder, make_plan(loaded, seeds, store, folder, overrides, fresh, keep_stopped)


def _settings(pairs: list[str]) -> dict[str, Any]:
    """`lr=0.05` -> {"lr": 0.05}; a value that is not JSON is text."""
    from study.config import StudyError, TrialConfig, did_you_mean

    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise StudyError(f"--set {pair}: write KEY=VALUE, such as --set lr=0.05")
        if key not in TrialConfig.model_fields or key == "seed":
            raise StudyError(
                f"--set {pair}: unknown hyperparameter {key!r}{did_you_mean(key, TrialConfig.model_fields)}"
            )
        try:
            settings[key] = json.loads(text)
        except ValueError:
            settings[key] = text
    return settings


def _gpus(text: str) -> float | None:
    from study.config import StudyError

    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise StudyError(f"--gpus-per-trial {text}: give auto or a number such as 0.25") from None


def _stopped() -> None:
    command = shlex.join(["study", *sys.argv[1:]])
    typer.echo(f"Stopped; what was trained is kept. To continue: {command}", err=True)
    raise typer.Exit(INTERRUPTED)
