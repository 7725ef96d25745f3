"""Search: one study's suggestions, what came of each, and what is next. All of it is in the study's record."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from study.declare.dimension import Dimension
from study.declare.searches import start_points
from study.declare.study import Arm, Study
from study.errors import StudyError
from study.key import trial_keys
from study.lineage import Lineage, lineage_of
from study.plan import Trial
from study.ranking import best
from study.search.outcomes import Outcome, Outcomes
from study.search.sampler import Sampler
from study.seeds import seed_of
from study.store.trial_store import TrialStore, searches_of

# What is trained in a search, so that other seeds tell what was found.
SEED = 0
# Suggestions in a row that are not new before points are drawn at random, and before the search is over.
REPEATS, MOST_REPEATS = 10, 500


class Search:
    """Suggests trials, is told which of them have ended, and keeps both in the study's `record`, which it saves before
    a trial is handed out: in record["search"] or, of a search in the arm `label`, in record["tuning"][label].

    A suggestion depends on those before and on what was known of them, which the record tells. So whenever a process
    is killed, the next one goes on as if nothing had been: what was suggested is trained, then comes what would have
    come. A `fresh` search begins anew, and has nothing that is stored. `baseline` is the baseline's trial with the
    search's seed, `folder` that of the data.
    """

    def __init__(
        self,
        study: Study,
        record: dict[str, Any],
        baseline: Trial,
        folder: Path,
        overrides: Mapping[str, Any],
        store: TrialStore,
        keep_stopped: bool,
        fresh: bool,
        label: str = "",
    ) -> None:
        self.study, self.record, self.baseline = study, record, replace(baseline, study=study.name)
        self.label = label
        self._folder, self._overrides, self._store, self._fresh = folder, overrides, store, fresh
        self._said: dict[str, Any] = searches_of(record)[label]
        self._space = study.space
        self.outcomes = Outcomes(study, store, keep_stopped)
        self._starts = start_points(study, overrides)
        self._repeats = 0
        self._queue: list[str] = []
        self._first: dict[str, int] = {}  # of each distinct trial the number of its first suggestion
        self._unheard: set[int] = set()  # numbers of suggestions of which the sampler has not been told
        if fresh:
            self._said |= {"best": "", "over": False, "suggestions": [], "generations": []}
        self._begin()
        self._said["over"] = self.left() == 0

    def _begin(self) -> None:
        """Go through what earlier runs suggested, as it came."""
        better = [self.study.metrics[name].better for name in self.study.objective]
        self._sampler = Sampler(self.study.sampler, self._space, better, self._said["identity"])
        self._replay()

    @property
    def suggestions(self) -> list[dict[str, Any]]:
        """Of each, in order: point, values, key, and `knew`, the numbers of those that had ended when it was made."""
        found: list[dict[str, Any]] = self._said["suggestions"]
        return found

    @property
    def keys(self) -> list[str]:
        """Those of the distinct trials, in the order of their suggestions, within the budget."""
        return list(self._first)[: self.study.budget]

    def samples(self) -> list[Trial]:
        """The baseline's trial, and those at the lower and the upper ends of all ranges, where these can be."""
        found = [self.baseline]
        for place in ("low", "high"):
            point = self._space.choose(partial(_at_an_end, place))[0]
            key, values = self._keyed(self._space.values(point))
            if key:
                found.append(self._trial(key, values, f"{place}est"))
        return found

    def scores(self) -> dict[str, tuple[float, ...]]:
        """By key, the objectives of each point that was trained to its end, in the order of suggestions."""
        found = {key: self.outcomes.of(key) for key in self.keys if self.outcomes.known(key)}
        return {key: one.values for key, one in found.items() if one.values and not one.diverged}

    def best(self) -> str:
        """The best so far, as a text: `best val loss 0.31 (point 12)`; empty where there is none, or no one best."""
        scores = self.scores()
        if len(self.study.objective) > 1 or not scores:
            return ""
        metric = self.study.metrics[self.study.objective[0]]
        key = best(scores, [metric.sign], 1)[0]
        return f"best {metric.text(scores[key][0])} (point {self._first[key]})"

    def save(self) -> None:
        """Keep the record, with what is the best so far."""
        self._said |= {"best": self.best(), "over": self.left() == 0}
        self._store.save_study(self.record)

    def foreseen(self) -> list[str]:
        """Keys of what may still be suggested: the one that it begins with, where it has not, and names for what is not
        known.
        """
        keys = [f"{self.study.name} {self.label} suggestion {number}" for number in range(self.left())]
        if keys and not self.suggestions and self._starts:
            keys[0] = self._keyed(self._space.values(self._starts[0]))[0] or keys[0]
        return keys

    @property
    def waiting(self) -> int:
        """How many trials that were suggested in an earlier run are still to be handed out."""
        return len(self._queue)

    @property
    def waits(self) -> bool:
        """Whether there may be a suggestion when those that are trained have ended, though there is none now."""
        return False

    def known(self, key: str) -> bool:
        """Whether no more is trained of this trial."""
        return self.outcomes.known(key)

    def ended(self, key: str, failed: bool = False) -> None:
        """This trial has ended."""
        self.outcomes.ended(key, failed)

    def left(self) -> int:
        """How many trials may still be suggested."""
        most = min(self.study.budget or 0, self._space.size)
        return 0 if self._repeats >= MOST_REPEATS else int(most) - len(self.keys)

    def next(self) -> Trial | None:
        """A trial to train; None where there is none, now or at all."""
        for key in self.outcomes.damaged:
            self._store.remove(key)
        self.outcomes.damaged = {}
        while self._queue:
            key = self._queue.pop(0)
            if not self.outcomes.known(key):
                return self.trial(key)
        while self.left() > 0:
            key = self._suggest()["key"]
            if key and not self.outcomes.known(key) and not self._is_stored(key):
                return self.trial(key)
        return None

    def _is_stored(self, key: str) -> bool:
        """Whether this trial, which is suggested for the first time, need not be trained."""
        if not self._store.has(key):
            return False
        if self._fresh or self._store.damaged([key]):
            self._store.remove(key)
            return False
        self.outcomes.ended(key)
        return True

    def trial(self, key: str) -> Trial:
        """The trial of this key, which was suggested."""
        number = self._first[key]
        one = self.suggestions[number]
        arm = f"{self.label} point {number}".strip()
        return self._trial(key, one.get("begun") or one["values"], arm, lineage_of(one.get("lineage", ())))

    def _trial(self, key: str, values: Mapping[str, Any], arm: str, lineage: Lineage = ()) -> Trial:
        return replace(self.baseline, key=key, config=self._config(values), arm=arm, lineage=lineage)

    def _config(self, values: Mapping[str, Any]) -> Any:
        return self.study.config(Arm("search", values), {}, self._overrides)

    def _suggest(self) -> dict[str, Any]:
        """The next suggestion; its trial is one that was suggested before, perhaps, or has no key as it can't be."""
        knew = self._news()
        self._tell(knew)
        point = self._sampler.suggest(self._start())
        key, values = self._keyed(self._space.values(point))
        known = key in self._first
        made = {"point": point, "values": values, "key": key, "knew": knew}
        self._add(made)
        if not known:
            self.save()
        return made

    def _keyed(self, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The key of the trial with these hyperparameters, "" where they can't be trained; and them as it has them."""
        kind = self.study.kind
        try:
            config = self._config(values)
        except StudyError:
            return "", dict(values)
        if any(True for _ in kind.misfits(config, self._folder)):
            return "", dict(values)
        key = trial_keys(kind, config, [SEED], self.baseline.data)[0]
        return key, config.model_dump(mode="json", include={*values})

    def _add(self, one: dict[str, Any]) -> None:
        new = one["key"] and one["key"] not in self._first
        self._repeats = 0 if new else self._repeats + 1
        number = len(self.suggestions)
        if one["key"]:
            self._first.setdefault(one["key"], number)
        self._unheard.add(number)
        self.suggestions.append(one)

    def _news(self) -> list[int]:
        """The numbers of suggestions that have ended, of which the sampler was not told, in the order of their ends."""
        place, key_of = (
            {"": -1, **self.outcomes.order},
            {n: self.suggestions[n]["key"] for n in self._unheard},
        )
        numbers = (n for n, key in key_of.items() if key in place)
        return sorted(numbers, key=lambda n: (place[key_of[n]], n))

    def _tell(self, numbers: list[int]) -> None:
        """Tell the sampler what came of these."""
        self._unheard.difference_update(numbers)
        for number in numbers:
            key = self.suggestions[number]["key"]
            outcome = self.outcomes.of(key) if key else Outcome()
            self._sampler.told(number, outcome.values, outcome.stopped_at)

    def _start(self) -> Mapping[str, Any] | None:
        """What the next point is, where it is no sampler's: those to start with; one at random after repeats."""
        number = len(self.suggestions)
        if number < len(self._starts):
            return self._starts[number]
        if self._repeats < REPEATS:
            return None
        drawn = random.Random(seed_of(self._said["identity"], "random", number))
        return self._space.choose(lambda _, one: one.drawn(drawn))[0]

    def _replay(self) -> None:
        suggestions, self._said["suggestions"] = self.suggestions, []
        ended = self.outcomes.stored(one["key"] for one in suggestions) | {""}
        for at, one in enumerate(suggestions):
            if len(self.keys) == self.study.budget:  # an earlier run had a larger one, and suggested more
                self._said["suggestions"] += suggestions[at:]
                break
            # What could be told twice ended in two runs: damaged and trained again, or stopped and then continued.
            self._tell([n for n in one["knew"] if n in self._unheard and suggestions[n]["key"] in ended])
            self._sampler.suggested(one["point"], self._start())
            self._add(one)
        self._queue = [key for key in self.keys if key not in ended]


def _at_an_end(place: str, name: str, one: Dimension) -> Any:
    return one.chosen_at(place)
