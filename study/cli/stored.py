"""The studies of a storage that a command is given, read; and what could not be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study.terminal import say

if TYPE_CHECKING:
    from analysis import Results
    from study.store.trial_store import TrialStore

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[STUDY...]", help="All that the storage has, if none is named."),
]


def names_of(store: TrialStore, studies: list[str] | None) -> tuple[list[str], list[str]]:
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


def loaded(storage: str | None, studies: list[str] | None) -> Results:
    from study.analysis.results import load
    from study.errors import StudyError
    from study.store.trial_store import open_store

    store = open_store(storage)
    names, problems = names_of(store, studies)
    results: Results = load(store, names)
    results.problems[:0] = problems
    if not results.studies:
        said = results.problems or ["Name another with --storage."]
        raise StudyError(f"No study that can be read was run in {store.root} yet.", *said)
    return results


def say_left_out(problems: list[str]) -> None:
    """What could not be read and was left out."""
    for problem in dict.fromkeys(problems):
        say(f"skipped: {problem}", err=True)
