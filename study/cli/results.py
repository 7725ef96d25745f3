"""The commands that read a storage: status, report, verify, infer, compare. They need neither torch nor Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.cli.options import AsJson, Storage, TrustAddress
from study.cli.stored import Names, loaded, names_of, say_left_out
from study.terminal import say

CONTRADICTED = 3

commands = typer.Typer()


@commands.command()
def status(
    studies: Names = None,
    storage: Storage = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="List the jobs of the cluster with this job server, such as http://localhost:8265."
        ),
    ] = None,
    as_json: AsJson = False,
    trust_address: TrustAddress = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Show it anew until all trials are over, or Ctrl-C; a line of --json each."
        ),
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
    names, unnamed = names_of(store, studies)
    rows, problems = statuses(store, names)
    if watch:
        printing_status.watch(rows, lambda: statuses(store, names_of(store, studies)[0])[0], store, as_json)
    else:
        printing_status.status(rows, store, as_json)
    say_left_out([*unnamed, *problems])


@commands.command()
def report(
    studies: Names = None,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("report"),
    static: Annotated[
        bool, typer.Option("--static", help="Figures as they are on paper: the page is 5 MB smaller.")
    ] = False,
    storage: Storage = None,
) -> None:
    """Write the report of a storage: index.html, report.md, tables and figures.

    It can be made while trials still run: what is missing is marked as pending. The page is one file; where plotly is
    installed (`pip install 'study[serve]'`), it holds plotly.js, with which curves can be zoomed and asked.

    Example: `study report --out report`
    """
    from study.analysis.report import write

    results = loaded(storage, studies)
    try:
        page = write(results, out, interactive=not static)
        say(page)
        say(f"one file of {page.stat().st_size / 1e6:.1f} MB", err=True)
    except OSError as error:
        from study.errors import StudyError

        raise StudyError(f"--out {out} can't be written: {error.strerror or error}") from None
    say_left_out(results.problems)


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

    results = loaded(storage, studies)
    found = [verdict for name in results.studies for verdict in verdicts(results, name)]
    printing_results.verdicts(found, as_json)
    if not as_json:
        printing_results.other_data(results.studies)
    say_left_out(results.problems)
    if any(verdict.verdict == "contradicted" for verdict in found):
        raise typer.Exit(CONTRADICTED)


@commands.command()
def infer(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="One of the storage.")],
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A hyperparameter that is inferred: arms that have it in common are one setting. Repeatable. "
            "[default: each arm is one]",
        ),
    ] = None,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Say which of a study's settings the published values may come from, where a report does not tell.

    Each published value is compared with what another run of a setting would give, as our seeds of it tell.

    Example: `study infer fc_widths --by fc_width`
    """
    from study.analysis import inference
    from study.cli import printing_results
    from study.errors import StudyError

    results = loaded(storage, [study])
    (name,) = results.studies
    try:
        found = inference.settings(results, name, by or [])
    except KeyError as lacking:
        raise StudyError(f"{name}: not every arm sets {lacking}, which --by names") from None
    except ValueError as error:
        raise StudyError(
            f"{name}: {error}",
            "A setting has one arm for each published value; --by names what arms of a setting have in common.",
        ) from None
    if not found:
        raise StudyError(f"{name}: nothing was published for its arms", "Give the study `published` values.")
    printing_results.settings(found, results.metrics(name), as_json)
    if not as_json:
        printing_results.other_data(results.studies)
    say_left_out(results.problems)


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

    folders = [_is_storage(a), _is_storage(b)]
    named = any(folders) and _are_studies(storage, a, b)
    if all(folders):
        if named:
            say(f"Compared are the folders {a} and {b}; the studies of these names: {a}.py {b}.py", err=True)
        left, right = loaded(a, None), loaded(b, None)
        pairs = [(name, name) for name in left.studies if name in right.studies]
    elif any(folders) and not named:
        raise StudyError(f"{b if folders[0] else a} is no storage: there is no such folder.")
    else:
        left = right = loaded(storage, [a, b])
        names, _ = names_of(left.store, [a, b])
        pairs = [(names[0], names[1])] if set(names) == left.studies.keys() else []
    tables = {pair: side_by_side(left, pair[0], right, pair[1]) for pair in pairs}
    tables = {pair: table for pair, table in tables.items() if len(table)}
    if not tables:
        raise StudyError(f"{a} and {b} share no arm that can be compared.", *left.problems, *right.problems)
    printing_results.comparison(tables, a, b, as_json)
    say_left_out([*left.problems, *(right.problems if right is not left else [])])


def _is_storage(given: str) -> bool:
    from study.paths import expanded

    return "://" in given or expanded(given).is_dir()


def _are_studies(storage: str | None, *given: str) -> bool:
    """Whether studies with exactly these names were run."""
    from study.store.trial_store import open_store

    if any("/" in name for name in given):
        return False  # no study is called so: the storage, which may not even be there, is not asked
    return set(given) <= set(open_store(storage).studies())
