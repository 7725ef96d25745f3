"""The commands that read a storage: status, report, verify, compare. They need neither torch nor Ray."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study.cli.options import AsJson, JobServer, Storage, TrustAddress
from study.terminal import say

if TYPE_CHECKING:
    from analysis import Results
    from study.store.trial_store import TrialStore

CONTRADICTED = 3

commands = typer.Typer()

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[STUDY...]", help="All that the storage has, if none is named."),
]


@commands.command()
def status(
    studies: Names = None,
    storage: Storage = None,
    address: JobServer | None = None,
    as_json: AsJson = False,
    trust_address: TrustAddress = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it anew until all trials are over, or Ctrl-C.")
    ] = False,
) -> None:
    """Show how far the studies in a storage are, and what is trained right now, on whatever machine.

    With `--address` it lists the jobs of that cluster instead.
    """
    if address is not None:
        from study.cli import printing
        from study.cluster import jobs
        from study.cluster.job_server import connect

        printing.jobs(jobs.rows(connect(address, trust_address=trust_address)), address, as_json)
        return
    from study.cli import printing_status
    from study.status import statuses
    from study.store.trial_store import open_store

    store = open_store(storage)
    names, unnamed = _names(store, studies)
    rows, problems = statuses(store, names)
    if watch and not as_json:
        printing_status.watch(rows, lambda: statuses(store, _names(store, studies)[0])[0], store)
    else:
        printing_status.status(rows, store, as_json)
    _left_out([*unnamed, *problems])


@commands.command()
def report(
    studies: Names = None,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("report"),
    storage: Storage = None,
) -> None:
    """Write the report of a storage: index.html, report.md, tables and figures.

    It can be made while trials still run: what is missing is marked as pending.

    Example: `study report --out report`
    """
    from study.analysis.report import write

    results = _loaded(storage, studies)
    try:
        say(write(results, out))
    except OSError as error:
        from study.errors import StudyError

        raise StudyError(f"--out {out} can't be written: {error.strerror or error}") from None
    _left_out(results.problems)


@commands.command()
def verify(studies: Names = None, storage: Storage = None, as_json: AsJson = False) -> None:
    """Say of each claim whether the results reproduce it, contradict it, or leave it undecided.

    A verdict rests on intervals over seeds that hold however often seeds are added and looked at; those of a study
    that was run with just the seeds that it planned are narrower. Exits with 3 if a claim is contradicted. Judged are
    the claims of the last `study tune`: after a change of the study file run that again, which trains nothing.

    Example: `study verify network_width`
    """
    from study.analysis.claims import verdicts
    from study.cli import printing_results

    results = _loaded(storage, studies)
    found = [verdict for name in results.studies for verdict in verdicts(results, name)]
    printing_results.verdicts(found, as_json)
    _left_out(results.problems)
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
    from study.analysis.comparison import side_by_side
    from study.cli import printing_results
    from study.errors import StudyError

    folders, named = [_is_storage(a), _is_storage(b)], _are_studies(storage, a, b)
    if all(folders):
        if named:
            say(f"Compared are the folders {a} and {b}; the studies of these names: {a}.py {b}.py", err=True)
        left, right = _loaded(a, None), _loaded(b, None)
        pairs = [(name, name) for name in left.studies if name in right.studies]
    elif any(folders) and not named:
        raise StudyError(f"{b if folders[0] else a} is no storage: there is no such folder.")
    else:
        left = right = _loaded(storage, [a, b])
        names, _ = _names(left.store, [a, b])
        pairs = [(names[0], names[1])] if set(names) == left.studies.keys() else []
    tables = {pair: side_by_side(left, pair[0], right, pair[1]) for pair in pairs}
    tables = {pair: table for pair, table in tables.items() if len(table)}
    if not tables:
        raise StudyError(f"{a} and {b} share no arm that can be compared.", *left.problems, *right.problems)
    printing_results.comparison(tables, a, b, as_json)
    _left_out([*left.problems, *(right.problems if right is not left else [])])


def _is_storage(given: str) -> bool:
    from study.paths import expanded

    return "://" in given or expanded(given).is_dir()


def _are_studies(storage: str | None, *given: str) -> bool:
    """Whether studies with exactly these names were run."""
    from study.store.trial_store import open_store

    return set(given) <= set(open_store(storage).studies())


def _names(store: TrialStore, studies: list[str] | None) -> tuple[list[str], list[str]]:
    """The names asked for, or all, and why others are left out then.

    Raises StudyError for one that the storage does not have.
    """
    from study.errors import StudyError, did_you_mean
    from study.store.records import allowed_names

    known, problems = allowed_names(store.studies(), store.root)
    if not studies:
        return known, problems
    # A study may be given by its file, as to `study tune`.
    names = [given if given in known else Path(given).name.removesuffix(".py") for given in studies]
    for name in names:
        if name not in known:
            raise StudyError(
                f"No study {name!r} was run in {store.root}{did_you_mean(name, known)}",
                f"Run there were: {', '.join(known) or 'none'}.",
            )
    return names, []


def _loaded(storage: str | None, studies: list[str] | None) -> Results:
    from study.analysis.results import load
    from study.errors import StudyError
    from study.store.trial_store import open_store

    store = open_store(storage)
    names, problems = _names(store, studies)
    results: Results = load(store, names)
    results.problems[:0] = problems
    if not results.studies:
        said = results.problems or ["Name another with --storage."]
        raise StudyError(f"No study that can be read was run in {store.root} yet.", *said)
    return results


def _left_out(problems: list[str]) -> None:
    """What could not be read and was left out."""
    for problem in dict.fromkeys(problems):
        say(f"skipped: {problem}", err=True)
