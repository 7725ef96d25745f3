"""The commands that read a storage: status, report, verify, compare. They need neither torch nor Ray."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study.options import AsJson, Storage

if TYPE_CHECKING:
    from analysis import Results

CONTRADICTED = 3

commands = typer.Typer()

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[STUDY...]", help="All that the storage has, if none is named."),
]


@commands.command()
def status(studies: Names = None, storage: Storage = None, as_json: AsJson = False) -> None:
    """Show how far the studies in a storage are: finished, begun and missing trials."""
    from study import api, show
    from study.store import open_store

    store = open_store(storage)
    show.status(api.counts(store, [_stem(name) for name in studies or store.studies()]), store, as_json)


@commands.command()
def report(
    studies: Names = None,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("report"),
    storage: Storage = None,
) -> None:
    """Write the report of a storage: index.html, report.md, tables/ and figures/.

    It can be made while trials still run: what is missing is marked as pending.

    Example: `study report --out report`
    """
    from analysis.report import write

    results, names = _loaded(storage, studies)
    try:
        typer.echo(write(results, out, names))
    except OSError as error:
        from study.config import StudyError

        raise StudyError(f"--out {out} can't be written: {error.strerror or error}") from None


@commands.command()
def verify(studies: Names = None, storage: Storage = None, as_json: AsJson = False) -> None:
    """Say of each claim whether the results reproduce it, contradict it, or leave it undecided.

    A verdict rests on 95 % intervals over seeds. Exits with 3 if a claim is contradicted.

    Example: `study verify network_width`
    """
    from analysis.claims import verdicts
    from study import show_results

    results, names = _loaded(storage, studies)
    found = [verdict for name in names for verdict in verdicts(results, name)]
    show_results.verdicts(found, as_json)
    if any(verdict.verdict == "contradicted" for verdict in found):
        raise typer.Exit(CONTRADICTED)


@commands.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A storage, or a study of the storage.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Compare two storages, or two studies of one: the same arms side by side, paired by seeds.

    Examples:

    `study compare results/cpu results/gpu`

    `study compare network_width network_width_adam`
    """
    from analysis.comparison import side_by_side
    from study import show_results
    from study.config import StudyError

    if _is_storage(a) and _is_storage(b):
        (left, left_names), (right, right_names) = _loaded(a, None), _loaded(b, None)
        pairs = [(name, name) for name in left_names if name in right_names]
    else:
        names = {_stem(a), _stem(b)}
        left, _ = right, _ = _loaded(storage, sorted(names))
        pairs = [(_stem(a), _stem(b))]
    tables = {pair: side_by_side(left, pair[0], right, pair[1]) for pair in pairs}
    tables = {pair: table for pair, table in tables.items() if len(table)}
    if not tables:
        kind = "storages share no study" if _is_storage(a) else "studies share no arm"
        raise StudyError(f"{a} and {b}: the two {kind} that can be compared.")
    show_results.comparison(tables, a, b, as_json)


def _is_storage(given: str) -> bool:
    return "://" in given or Path(given).is_dir()


def _stem(study: str) -> str:
    return Path(study).stem


def _loaded(storage: str | None, studies: list[str] | None) -> tuple[Results, list[str]]:
    """The results, and the names of the studies asked for. What can't be read is said and left out."""
    from analysis import load
    from study.config import StudyError, did_you_mean
    from study.store import open_store

    store = open_store(storage)
    known = store.studies()
    if not known:
        raise StudyError(f"No study has been run in {store.root} yet.", "Name another with --storage.")
    names = [_stem(study) for study in studies or known]
    for name in names:
        if name not in known:
            raise StudyError(
                f"No study {name!r} was run in {store.root}{did_you_mean(name, known)}",
                f"Run there were: {', '.join(known)}.",
            )
    results = load(store, names)
    for problem in results.problems:
        typer.echo(f"skipped: {problem}", err=True)
    return results, [name for name in names if name in results.studies]
