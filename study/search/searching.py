"""Planning studies that search: first their searches, then the arms that those have found, with other seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from study.declare.searches import in_arms
from study.declare.study import BASELINE, Study
from study.errors import StudyError
from study.plan import Plan, Trial, make_plan
from study.recording import recorded
from study.search.finalists import finalists
from study.search.population import Population
from study.search.sampler import check_installed
from study.search.search import SEED, Search
from study.search.source import Searches
from study.store.trial_store import TrialStore, keys_of, searches_of


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
        # By study and label (study.declare.searches.in_arms).
        self.searches: dict[str, dict[str, Search]] = {}
        many = sum(study.searches for study in self._studies) > 1
        for study in self._studies:
            if study.sampler == "pbt" and many:
                raise StudyError(
                    f"{study.name}: pbt trains its members together; give it no other study that searches"
                )
            if study.searches:
                check_installed(study.sampler)
                if keep_stopped and study.sampler == "pbt":
                    raise StudyError(f"{study.name}: pbt itself ends trials early; leave the scheduler out")
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
        members: set[str] = set()  # of populations
        untuned: set[str] = set()  # arms of which the hyperparameters are not known yet
        for study, record in zip(self._studies, plan.records, strict=True):
            firsts = {arm["label"]: arm["candidates"][0]["keys"][SEED] for arm in record["arms"]}
            for label, one in in_arms(study).items():
                baseline = plan.trials[firsts[label or BASELINE]]
                kind = Population if study.sampler == "pbt" else Search
                self.searches.setdefault(study.name, {})[label] = kind(
                    one, record, baseline, self._data_folder, self._overrides, self._store,
                    self._keep_stopped, self._fresh, label,
                )  # fmt: skip
            if study.searches:
                if not study.search:
                    untuned.update(key for arm in record["arms"] for key in arm["candidates"][0]["keys"])
                self._keep_arms(record)
            if study.sampler == "pbt" and (pbt := self.searches[study.name][""]).left():
                members.update(pbt.keys)  # trained tenth by tenth; what is told of them comes later
        asked = (study for study in self._studies if study.search or not study.searches)
        names = {study.name for study in asked}
        wanted = {key for one in plan.records if one["name"] in names for key in keys_of(one)}
        plan = plan.without((untuned - wanted) | members)
        self._trained = set(plan.trials) if self._fresh else set()
        if self._keep_stopped:
            # A scheduler compares what is searched. What is told of the baseline is trained to its end, with the best.
            plan = plan.without(plan.trials.keys())
            self._trained.clear()
        return replace(plan, source=Searches([*self._every()]))

    def _every(self) -> Iterator[Search]:
        for of_study in self.searches.values():
            yield from of_study.values()

    def _keep_arms(self, record: dict[str, Any]) -> None:
        """Leave the arms in the record that this search has found in an earlier run, until it finds them again."""
        before = recorded(self._store, record["name"])
        ours, theirs = (
            {label: one["identity"] for label, one in searches_of(of).items()} for of in (record, before)
        )
        found = len(before["arms"]) > 1 or any(one["candidates"][0]["overrides"] for one in before["arms"])
        if ours == theirs and not self._fresh and found:
            record |= {name: before[name] for name in ("arms", "claims", "reference", "seeds")}

    def found(self) -> list[Study]:
        """The studies with the arms that their searches have found, without those that found nothing; said is what is
        to be known of them.
        """
        found = []
        for study in self._studies:
            best = {}
            for label, search in self.searches.get(study.name, {}).items():
                search.save()
                best[label] = finalists(search)
                for line in best[label].said:
                    self._say(f"{study.name}: {label}{': ' if label else ''}{line}")
            points = {label: one.points for label, one in best.items() if one.points}
            if study.searches and not points:
                continue
            if study.search:
                study = study.with_found(points[""])
            elif study.searches:
                begun = {label: search.baseline.key for label, search in self.searches[study.name].items()}
                study = study.with_tuned({label: one[0][0] for label, one in points.items()}, begun)
            found.append(study)
        return found

    def without_old(self, plan: Plan) -> Plan:
        """The plan of what was found, without results of before this run where it is a fresh one."""
        if not self._fresh:
            return plan
        trained = self._trained.union(*(search.keys for search in self._every()))
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
    if not any(study.searches for study in studies):
        return make_plan(studies, seeds, store, data_folder, overrides, fresh)
    searching = Searching(studies, store, data_folder, overrides, fresh=fresh)
    plan = searching.first(seeds)
    over = not (plan.source and plan.source.left)
    if over:
        plan = make_plan(searching.found() or studies, seeds, store, data_folder, overrides, fresh)
    trials, stored, records = dict(plan.trials), set(plan.stored), []
    for record in plan.records:
        arms: dict[str, list[str]] = {}
        known: dict[str, Trial] = {}
        for label, search in searching.searches.get(record["name"], {}).items():
            suggested = {key: search.trial(key) for key in search.keys}
            stored |= {key for key in suggested if search.known(key)}
            arms[f"{label} search".strip()] = [*suggested, *search.foreseen()]
            known |= suggested
            if not over:
                of_one = range(SEED + 1, len(record["arms"][0]["candidates"][0]["keys"]))
                for arm in [label] if label else search.study.labels[1:]:
                    arms[arm] = [f"{record['name']} {arm} {seed}" for seed in of_one]
            for name, keys in arms.items():
                for seed, key in enumerate(keys, start=SEED + 1):
                    seed = SEED if name.endswith("search") else seed
                    unknown = replace(search.baseline, key=key, arm=name, seed=seed)
                    trials.setdefault(key, known.get(key, unknown))
        added = [
            {"label": label, "overrides": {}, "candidates": [{"overrides": {}, "keys": keys}]}
            for label, keys in arms.items()
            if keys
        ]
        if added:
            kept = record["arms"] if over else record["arms"][: 1 if record.get("search") else 0]
            record = {**record, "arms": [*kept, *added], "search": None, "tuning": {}}
        records.append(record)
    return replace(plan, records=records, trials=trials, stored=stored, source=None)
