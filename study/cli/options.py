"""What the commands' words mean: options and arguments with their help, and how their text is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

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
        help="Cores of a trial; automatic is 1, or 2 where its steps are large.", rich_help_panel=HOW
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
    typer.Option(metavar="asha", help="Stop trials early that fall behind in training accuracy."),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget the stored results of these trials first.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard", help="Write TensorBoard's event files into the storage.")
]


def settings(pairs: list[str]) -> dict[str, Any]:
    """`lr=0.05` -> {"lr": 0.05}; a value that is not JSON is text."""
    from study.errors import StudyError, did_you_mean
    from study.images.config import TrialConfig

    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise StudyError(f"--set {pair}: write KEY=VALUE, such as --set lr=0.05")
        if key == "seed":
            raise StudyError(f"--set {pair}: --seeds N runs the seeds 0 to N-1")
        if key not in TrialConfig.model_fields:
            raise StudyError(
                f"--set {pair}: unknown hyperparameter {key!r}{did_you_mean(key, TrialConfig.model_fields)}"
            )
        if key in settings:
            raise StudyError(f"--set {pair}: {key} is given twice")
        try:
            settings[key] = json.loads(text)
        except (ValueError, RecursionError):  # what nests too deep to be read is no value either
            settings[key] = text
    return settings


def overrides(
    pairs: list[str] | None, dataset: str | None, epochs: int | None, precision: str | None
) -> dict[str, Any]:
    """What --set and the options of its most used hyperparameters say together."""
    from study.errors import StudyError

    found = settings(pairs or [])
    for name, value in (("dataset", dataset), ("epochs", epochs), ("precision", precision)):
        if value is not None:
            if name in found:
                raise StudyError(f"--{name} {value}: {name} is given with --set too")
            found[name] = value
    return found


def gpus(text: str) -> float | None:
    """`0.25` -> 0.25; `auto` -> None."""
    from study.errors import StudyError

    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise StudyError(f"--gpus-per-trial {text}: give auto or a number such as 0.25") from None
