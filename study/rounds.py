"""What is to be trained, round after round, where that depends on what was found: searches, studies until decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from study.declare.study import Study
from study.errors import StudyError
from study.plan import More, Plan, make_plan
from study.search.searching import Searching
from study.store.trial_store import TrialStore
from study.terminal import styled
from study.until_decided import MAX_SEEDS, UntilDecided


def planned(
    studies: Sequence[Study],
    seeds: int | None,
    store: TrialStore,
    data_folder: Path,
    overrides: Mapping[str, Any],
    fresh: bool,
    scheduled: bool,
    *,
    until_decided: bool,
    max_seeds: int | None,
    console: Console,
) -> tuple[Plan, More]:
    """What is to be trained at first, and what gives the rest where that depends on the results.

    `scheduled`: a scheduler stops trials early. Raises StudyError as `make_plan` does, and for requests that don't go
    together.
    """
    check_seeds(until_decided, max_seeds)
    if until_decided and scheduled:
        raise StudyError(
            "until_decided (--until-decided): an arm with a seed that a scheduler stopped early is never decided; "
            "leave the scheduler out"
        )

    most = max_seeds or MAX_SEEDS

    def say(said: str) -> None:
        console.print(styled(said, style="bold"))

    def compared(studies: Sequence[Study], fresh: bool, keep_stopped: bool) -> tuple[Plan, More]:
        if not until_decided:
            whole = make_plan(studies, seeds, store, data_folder, overrides, fresh, keep_stopped)
            return whole, lambda at_once: None
        rounds = UntilDecided(studies, store, data_folder, overrides, most, say)
        return rounds.first(seeds, fresh), rounds.more

    if not any(study.searches for study in studies):
        return compared(studies, fresh, scheduled)
    if until_decided:  # what can't be decided is said before anything is searched
        others = [study for study in studies if not study.searches]
        UntilDecided(others, store, data_folder, overrides, most, say)
    at_first = UntilDecided.fewest(seeds, most) if until_decided else seeds
    searching = Searching(studies, store, data_folder, overrides, scheduled, fresh, say)

    def of_found() -> tuple[Plan, More] | None:
        found = searching.found()
        if not found:
            return None
        plan, more = compared(found, False, False)  # it is trained to its end
        return searching.without_old(plan).checked(store), more

    return searching.first(at_first), _after(of_found, store)


def check_seeds(until_decided: bool, max_seeds: int | None) -> None:
    """Raises StudyError for the most seeds of a run whose number of seeds is fixed."""
    if max_seeds is not None and not until_decided:
        raise StudyError("max_seeds (--max-seeds) goes with until_decided (--until-decided)")


def _after(then: Callable[[], tuple[Plan, More] | None], store: TrialStore) -> More:
    """The rounds that `then` plans, once those before are over."""
    rest: list[More] = []

    def more(at_once: int) -> Plan | None:
        if rest:
            return rest[0](at_once)
        planned = then()
        rest.append(planned[1] if planned else lambda at_once: None)
        if planned and not planned[0].over:
            return planned[0]
        if planned:
            planned[0].begin(store)
        return rest[0](at_once)

    return more
