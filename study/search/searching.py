"""Planning studies that search: first their searches, then the arms that those have found, with other seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from study.declare.study import Study
from study.plan import Plan, make_plan
from study.search.finalists import finalists
from study.search.sampler import check_installed
from study.search.search import SEED, Search
from study.search.source import Searches
from study.store.trial_store import TrialStore


def foreseen(
    studies: Sequence[Study],
    seeds: int | None,
    store: TrialStore,
    data_folder: Path,
    overrides: Mapping[str, Any],
) -> Plan:
    """`make_plan`, with the trials that searches have yet to suggest, and those of the arms that they have yet to find,
    as if each had the hyperparameters of the baseline.
    """
    searching = Searching(studies, store, data_folder, overrides, keep_stopped=False, say=lambda said: None)
    plan = searching.first(seeds, fresh=False)
    trials, stored, records = dict(plan.trials), set(plan.stored), []
    for record, search in zip(plan.records, map(searching.of, plan.records), strict=True):
        if search is None:
            records.append(record)
            continue
        known = {key: search.trial(key) for key in search.keys}
        stored |= {key for key in known if search.outcomes.known(key)}
        keys = [*known, *(f"{record['name']} {number}" for number in range(search.left()))]
        baseline = record["arms"][0]["candidates"][0]["keys"]
        arms = {"search": keys}
        for label in search.study.labels[1:]:
            arms[label] = [f"{record['name']} {label} {seed}" for seed in range(1, len(baseline))]
        for label, of_arm in arms.items():
            for key in of_arm:
                like = plan.trials[baseline[SEED]]
                trials.setdefault(key, known.get(key) or replace(like, key=key, arm=label))
        added = [{"label": label, "overrides": {}, "candidates": [{"overrides": {}, "keys": of_arm}]}
                 for label, of_arm in arms.items() if of_arm]  # fmt: skip
        records.append({**record, "arms": record["arms"] + added, "search": None})
    return replace(plan, records=records, trials=trials, stored=stored, source=None)


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
        keep_stopped: bool,
        say: Callable[[str], None],
    ) -> None:
        self._studies, self._store, self._data_folder = list(studies), store, data_folder
        self._overrides, self._keep_stopped, self._say = overrides, keep_stopped, say
        self._searches: dict[str, Search] = {}
        for study in self._studies:
            if study.search:
                check_installed(study.sampler)

    def first(self, seeds: int | None, fresh: bool) -> Plan:
        """The plan of the searches, as far as they have come."""
        plan = make_plan(
            self._studies, seeds, self._store, self._data_folder, self._overrides, fresh, self._keep_stopped
        )
        samples = []
        for study, record in zip(self._studies, plan.records, strict=True):
            if study.search:
                baseline = plan.trials[record["arms"][0]["candidates"][0]["keys"][SEED]]
                samples.append(baseline)
                self._searches[study.name] = Search(
                    study, record, baseline.data, self._overrides, self._store, self._keep_stopped
                )
        if self._keep_stopped:
            # A scheduler compares what is searched. What is told of the baseline is trained to its end, with the best.
            plan = replace(plan, trials={}, stored=set(), interrupted=set(), resumed=set(), littered=set())
        return replace(plan, source=Searches([*self._searches.values()], samples))

    def of(self, record: Mapping[str, Any]) -> Search | None:
        """The search of the study with this record, None where it does not search."""
        return self._searches.get(record["name"])

    def found(self) -> list[Study]:
        """The studies with the arms that their searches have found; said is what is to be known of them."""
        found = []
        for study in self._studies:
            if not study.search:
                found.append(study)
                continue
            self._searches[study.name].save()
            best = finalists(self._searches[study.name])
            for line in best.said:
                self._say(f"{study.name}: {line}")
            found.append(study.with_found(best.points))
        return found
