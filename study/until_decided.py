"""Studies that are trained until they are decided: after each round, one more seed of the arms that still need it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.declare.study import Study
from study.errors import StudyError
from study.plan import Plan, make_plan
from study.recording import recorded
from study.store.trial_store import TrialStore

if TYPE_CHECKING:
    from analysis.undecided import State

MAX_SEEDS = 30


class UntilDecided:
    """Plans round after round; with more seeds for the arms of which something is undecided, until there is none.

    A round begins with what the storage holds, and a verdict depends on no more than its seeds: so the same command
    continues after a kill, and the seeds of another run count.
    """

    def __init__(
        self,
        studies: Sequence[Study],
        store: TrialStore,
        data_folder: Path | None,
        overrides: Mapping[str, Any],
        max_seeds: int,
        say: Callable[[str], None],
    ) -> None:
        self._studies, self._store = list(studies), store
        self._data_folder, self._overrides = data_folder, overrides
        self._max_seeds, self._say = max_seeds, say
        self._seeds: dict[tuple[str, str], int] = {}
        for study in self._studies:
            if not study.claims and len(study.expand()) == 1:
                raise StudyError(
                    f"{study.name} has no claims and one arm: there is nothing to decide.",
                    "Give it a claim, another arm, or a number of seeds.",
                )

    def first(self, seeds: int | None = None, fresh: bool = False) -> Plan:
        """As many seeds as an earlier run had, and so many at least, by default the fewest that decide anything: 3.

        Raises StudyError as `make_plan` does, and for more seeds than are allowed.
        """
        start = self.fewest(seeds, self._max_seeds)
        self._seeds = {(study.name, arm.label): start for study in self._studies for arm in study.expand()}
        plan = self._plan(fresh)
        if fresh:
            return plan
        for record in plan.records:
            before = {
                arm["label"]: arm["candidates"][0]["keys"]
                for arm in recorded(self._store, record["name"])["arms"]
            }
            for arm in record["arms"]:
                known, ours = before.get(arm["label"], []), arm["candidates"][0]["keys"]
                if known[:1] == ours[:1]:
                    self._seeds[record["name"], arm["label"]] = max(start, len(known))
        return self._plan()

    @staticmethod
    def fewest(seeds: int | None, most: int) -> int:
        """With how many seeds it begins: these, but 3 at least. Raises StudyError where more than are allowed."""
        from study.analysis.looks import FEWEST

        start: int = max(FEWEST, seeds or 0)
        if start > most:
            raise StudyError(
                f"at most {most} seeds are allowed, and {start} are the fewest: "
                "--max-seeds says how many may be trained"
            )
        return start

    def more(self, at_once: int) -> Plan | None:
        """What is to be trained next, so many trials at once; None where all is decided, or can't be.

        What needs no training is recorded on the way.
        """
        while self._add_seeds(at_once):
            plan = self._plan()
            if plan.pending:
                return plan
            plan.begin(self._store)
        return None

    def _plan(self, fresh: bool = False) -> Plan:
        return make_plan(
            self._studies, None, self._store, self._data_folder, self._overrides, fresh, of_arms=self._seeds
        )

    def _add_seeds(self, at_once: int) -> bool:
        """Whether there are arms that get more seeds, since something may be decided by them."""
        from study.analysis.results import load
        from study.analysis.undecided import state

        names = [study.name for study in self._studies]
        results = load(self._store, names)
        states = {name: state(results, name) for name in names}
        wanted = {
            tuple((name, arm) for arm in arms) for name, found in states.items() for arms in found.needed
        }
        most = max(1, at_once // max(1, len({arm for arms in wanted for arm in arms})))
        before = dict(self._seeds)
        for arms in wanted:
            aim = min(self._max_seeds, min(before[arm] for arm in arms) + most)
            for arm in arms:
                self._seeds[arm] = max(self._seeds[arm], aim)
        for name, found in states.items():
            self._say(self._told(name, found, before))
        return self._seeds != before

    def _told(self, name: str, found: State, before: Mapping[tuple[str, str], int]) -> str:
        said = f"{name}: {found.decided} of {found.of} {found.what} decided"
        grown: dict[int, list[str]] = {}
        for (study, arm), seeds in before.items():
            if study == name and (now := self._seeds[study, arm]) > seeds:
                grown.setdefault(now, []).append(arm)
        if grown:
            return f"{said}; next: " + ", ".join(
                f"{n} seeds of {', '.join(arms)}" for n, arms in grown.items()
            )
        if found.needed:
            return f"{said}; the rest is not by {self._max_seeds} seeds (--max-seeds)"
        return said if found.decided == found.of else f"{said}; the rest can't be by more seeds"
