"""Planning studies that search: first their searches, then the arms that those have found, with other seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from study.declare.study import Study
from study.errors import StudyError
from study.plan import Plan, make_plan
from study.recording import recorded
from study.search.finalists import finalists
from study.search.sampler import check_installed
from study.search.search import SEED, Search
from study.search.source import Searches
from study.store.trial_store import TrialStore


class Searching:
    """`first` is what searches, with all else that does not depend on it; then `found` are the studies with their arms.

    Raises StudyError as `make_plan` does, and where a sampler is not installed.
    """

    def __init__(
        self,
        studies: Sequence[Study],
        store: TrialStore,
        data_folder: Path,
        overrides: Mapping[str, Any],
        keep_stopped: bool = False,
        fresh: bool = False,
        say: Callable[[str], None] = lambda said: None,
    ) -> None:
        self._studies, self._store, self._data_folder = list(studies), store, data_folder
        self._overrides, self._keep_stopped, self._fresh, self._say = overrides, keep_stopped, fresh, say
        self._trained: set[str] = set()
        self.searches: dict[str, Search] = {}
        for study in self._studies:
            if study.search:
                check_installed(study.sampler)
                if keep_stopped and len(study.objective) > 1:
                    raise StudyError(
                        f"{study.name}: a scheduler goes by one objective, and the search has {len(study.objective)}"
                    )

    def first(self, seeds: int | None) -> Plan:
        """The plan of the searches, as far as they have come."""
        plan = make_plan(
            self._studies,
            seeds,
            self._store,
            self._data_folder,
            self._overrides,
            self._fresh,
            self._keep_stopped,
        )
        for study, record in zip(self._studies, plan.records, strict=True):
            if study.search:
                baseline = plan.trials[record["arms"][0]["candidates"][0]["keys"][SEED]]
                self.searches[study.name] = Search(
                    study, record, baseline, self._data_folder, self._overrides, self._store,
                    self._keep_stopped, self._fresh,
                )  # fmt: skip
                self._keep_arms(record)
        self._trained = set(plan.trials) if self._fresh else set()
        if self._keep_stopped:
            # A scheduler compares what is searched. What is told of the baseline is trained to its end, with the best.
            plan = replace(plan, trials={}, stored=set(), interrupted=set(), resumed=set(), littered=set())
            self._trained.clear()
        return replace(plan, source=Searches([*self.searches.values()]))

    def _keep_arms(self, record: dict[str, Any]) -> None:
        """Leave the arms in the record that this search has found in an earlier run, until it finds them again."""
        before = recorded(self._store, record["name"])
        same = (before.get("search") or {}).get("identity") == record["search"]["identity"]
        if same and not self._fresh and len(before["arms"]) > 1:
            record |= {name: before[name] for name in ("arms", "claims", "reference", "seeds")}

    def found(self) -> list[Study]:
        """The studies with the arms that their searches have found, without those that found nothing; said is what is
        to be known of them.
        """
        found = []
        for study in self._studies:
            if study.search:
                search = self.searches[study.name]
                search.save()
                best = finalists(search)
                for line in best.said:
                    self._say(f"{study.name}: {line}")
                if not best.points:
                    continue
                study = study.with_found(best.points)
            found.append(study)
        return found

    def without_old(self, plan: Plan) -> Plan:
        """The plan of what was found, without results of before this run where it is a fresh one."""
        if not self._fresh:
            return plan
        trained = self._trained.union(*(search.keys for search in self.searches.values()))
        old = plan.stored - trained
        return replace(plan, stored=plan.stored - old, damaged=dict.fromkeys(old, "is of an earlier run"))


def foreseen(
    studies: Sequence[Study],
    seeds: int | None,
    store: TrialStore,
    data_folder: Path,
    overrides: Mapping[str, Any],
    fresh: bool = False,
) -> Plan:
    """`make_plan`, with the trials that searches have yet to suggest, and those of the arms that they have yet to find,
    as if each had the hyperparameters of the baseline.
    """
    if not any(study.search for study in studies):
        return make_plan(studies, seeds, store, data_folder, overrides, fresh)
    searching = Searching(studies, store, data_folder, overrides, fresh=fresh)
    plan = searching.first(seeds)
    over = not any(search.left() + search.waiting for search in searching.searches.values())
    if over:
        plan = make_plan(searching.found() or studies, seeds, store, data_folder, overrides, fresh)
    trials, stored, records = dict(plan.trials), set(plan.stored), []
    for record in plan.records:
        if (search := searching.searches.get(record["name"])) is None:
            records.append(record)
            continue
        known = {key: search.trial(key) for key in search.keys}
        stored |= {key for key in known if search.outcomes.known(key)}
        arms = {"search": [*known, *search.foreseen()]}
        if not over:
            record = {**record, "arms": record["arms"][:1]}
            of_one = range(SEED + 1, len(record["arms"][0]["candidates"][0]["keys"]))
            for label in search.study.labels[1:]:
                arms[label] = [f"{record['name']} {label} {seed}" for seed in of_one]
        for label, keys in arms.items():
            for seed, key in enumerate(keys, start=SEED + 1):
                seed = SEED if label == "search" else seed
                unknown = replace(search.baseline, key=key, arm=label, seed=seed)
                trials.setdefault(key, known.get(key, unknown))
        added = [
            {"label": label, "overrides": {}, "candidates": [{"overrides": {}, "keys": keys}]}
            for label, keys in arms.items()
            if keys
        ]
        records.append({**record, "arms": [*record["arms"], *added], "search": None})
    return replace(plan, records=records, trials=trials, stored=stored, source=None)
