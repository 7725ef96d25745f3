"""`study export`: what a storage holds, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study.cli.options import Storage
from study.cli.stored import Names, loaded, say_left_out
from study.terminal import say

if TYPE_CHECKING:
    from analysis.export import Kind

commands = typer.Typer(
    no_args_is_help=True,
    help="Write what a storage holds for other programs: CSV, Parquet, MLflow, Weights & Biases.",
)

Out = Annotated[Path, typer.Option(help="Folder to write.")]


@commands.command()
def csv(studies: Names = None, out: Out = Path("export"), storage: Storage = None) -> None:
    """Write trials.csv, curves.csv, arms.csv and verdicts.csv, for R, Excel and the like.

    Example: `study export csv network_width --out export`
    """
    _write("csv", studies, out, storage)


@commands.command()
def parquet(studies: Names = None, out: Out = Path("export"), storage: Storage = None) -> None:
    """Write the same as Parquet files, which keep what kind of values a column has.

    Example: `study export parquet --out export`
    """
    _write("parquet", studies, out, storage)


@commands.command()
def mlflow(
    to: Annotated[
        str,
        typer.Option(
            metavar="URI",
            envvar="MLFLOW_TRACKING_URI",
            help="Tracking server or store, such as http://localhost:5000.",
        ),
    ],
    studies: Names = None,
    storage: Storage = None,
) -> None:
    """Write a run for each study to MLflow, and nested under it one for each trial that ended.

    Repeated, it adds only what is new. Needs `pip install 'study[mlflow]'`.

    Example: `study export mlflow network_width --to http://localhost:5000`
    """
    from study.analysis import to_mlflow

    results = loaded(storage, studies)
    for line in to_mlflow.write(results, to):
        say(line)
    say_left_out(results.problems)


@commands.command()
def wandb(
    studies: Names = None,
    project: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="One project for all.  [default: one for each study, of its name]"),
    ] = None,
    storage: Storage = None,
) -> None:
    """Write a run for each trial that ended to Weights & Biases, those of an arm in a group.

    Repeated, it adds only what is new. With WANDB_MODE=offline the runs are files in ./wandb. Needs
    `pip install 'study[wandb]'`.

    Example: `study export wandb network_width --project widths`
    """
    from study.analysis import to_wandb

    results = loaded(storage, studies)
    for line in to_wandb.write(results, project):
        say(line)
    say_left_out(results.problems)


def _write(kind: Kind, studies: list[str] | None, out: Path, storage: str | None) -> None:
    from study.analysis.export import write
    from study.errors import StudyError

    results = loaded(storage, studies)
    try:
        for path in write(results, out, kind):
            say(path)
    except OSError as error:
        raise StudyError(f"--out {out} can't be written: {error.strerror or error}") from None
    say_left_out(results.problems)
