"""Search: one study's suggestions, what came of each, and what is next. All of it is in the study's record."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping
from typing import Any

from study.declare.study import Arm, Study
from study.errors import StudyError
from study.key import trial_keys
from study.plan import Trial
from study.ranking import best
from study.search.outcomes import Outcome, Outcomes
from study.search.sampler import Sampler
from study.seeds import seed_of
from study.store.trial_store import TrialStore

# What is trained in a search, so that other seeds tell what was found.
SEED = 0
# Suggestions in a row that are not new before points are drawn at random, and before the search is over.
REPEATS, MOST_REPEATS = 10, 500


class Search:
    """Suggests trials, is told which of them have ended, and keeps both in `record` (record["search"]), which it saves
    before a trial is handed out.

    A suggestion depends on those before and on what was known of them, which the record tells. So whenever a process
    is killed, the next one goes on as if nothing had been: what was suggested is trained, then comes what would have
    come. `data` is the fingerprint of the data.
    """

    def __init__(
        self,
        study: Study,
        record: dict[str, Any],
        data: str,
        overrides: Mapping[str, Any],
        store: TrialStore,
        keep_stopped: bool,
    ) -> None:
        self.study, self.record = study, record
        self._data, self._overrides, self._store = data, overrides, store
        self._said: dict[str, Any] = record["search"]
        self._space = study.space
        self._sampler = Sampler(
            study.sampler,
            self._space,
            [study.metrics[name].better for name in study.objective],
            self._said["identity"],
        )
        self.outcomes = Outcomes(study, store, keep_stopped)
        self._told: set[int] = set()
        self._repeats = 0
        self._queue: list[str] = []
        self._replay()

    @property
    def suggestions(self) -> list[dict[str, Any]]:
        """Of each, in order: point, values, key, and `knew`, the numbers of those that had ended when it was made."""
        found: list[dict[str, Any]] = self._said["suggestions"]
        return found

    @property
    def keys(self) -> list[str]:
        """Those of the distinct trials, in the order of their suggestions, within the budget."""
        keys = dict.fromkeys(one["key"] for one in self.suggestions if one["key"])
        return list(keys)[: self.study.budget]

    @property
    def baseline(self) -> str:
        """The key of the baseline's trial with the search's seed, whether it is a point of the search or not."""
        found: str = self.record["arms"][0]["candidates"][0]["keys"][SEED]
        return found

    def configs(self) -> list[Any]:
        """The baseline's hyperparameters, and the same with each choice of the space in their place."""
        found = [self._config({})]
        for name, one in self._space.dimensions.items():
            for choice in one.choices or ():
                with contextlib.suppress(StudyError):  # one that goes with others alone
                    found.append(self._config({name.rpartition(".")[2]: choice}))
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
        number = next(n for n, one in enumerate(self.suggestions) if one["key"] == key)
        return f"best {metric.title} {metric.text(scores[key][0])} (point {number})"

    def save(self) -> None:
        """Keep the record, with what is the best so far."""
        self._said["best"] = self.best()
        self._store.save_study(self.record)

    @property
    def waiting(self) -> int:
        """How many trials that were suggested in an earlier run are still to be handed out."""
        return len(self._queue)

    def left(self) -> int:
        """How many trials may still be suggested."""
        most = min(self.study.budget or 0, self._space.size)
        return 0 if self._repeats >= MOST_REPEATS else int(most) - len(self.keys)

    def next(self) -> Trial | None:
        """A trial to train; None where there is none, now or at all."""
        while self._queue:
            if not self.outcomes.known(key := self._queue.pop(0)):
                if key in self.outcomes.damaged:
                    self._store.remove(key)
                return self.trial(key)
        while self.left() > 0:
            made = self._suggest()
            if made["key"] and not self.outcomes.known(made["key"]):
                return self.trial(made["key"])
        return None

    def trial(self, key: str) -> Trial:
        """The trial of this key, which was suggested."""
        number, one = next((n, one) for n, one in enumerate(self.suggestions) if one["key"] == key)
        kind, config = self.study.kind, self._config(one["values"])
        return Trial(
            key,
            kind.called(),
            config,
            SEED,
            self._data,
            self.study.name,
            f"point {number}",
            self.study.watched,
        )

    def _config(self, values: Mapping[str, Any]) -> Any:
        return self.study.config(Arm("search", values), {}, self._overrides)

    def _suggest(self) -> dict[str, Any]:
        """The next suggestion; its trial is one that was suggested before, perhaps, or has no key as it can't be."""
        knew = self._news()
        self._tell(knew)
        point = self._sampler.suggest(self._start())
        key, values = self._keyed(self._space.values(point))
        known = any(one["key"] == key for one in self.suggestions)
        made = {"point": point, "values": values, "key": key, "knew": knew}
        self._add(made)
        if not known:
            self.save()
        return made

    def _keyed(self, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The key of the trial with these hyperparameters, "" where they don't go together; and them as it has them."""
        try:
            config = self._config(values)
        except StudyError:
            return "", dict(values)
        key = trial_keys(self.study.kind, config, [SEED], self._data)[0]
        return key, config.model_dump(mode="json", include={*values})

    def _add(self, one: dict[str, Any]) -> None:
        new = one["key"] and all(one["key"] != before["key"] for before in self.suggestions)
        self._repeats = 0 if new else self._repeats + 1
        self.suggestions.append(one)

    def _news(self) -> list[int]:
        """The numbers of suggestions that have ended, of which the sampler was not told, in the order of their ends."""
        place = {key: at for at, key in enumerate(self.outcomes.order)} | {"": -1}
        numbers = (n for n, one in enumerate(self.suggestions) if n not in self._told and one["key"] in place)
        return sorted(numbers, key=lambda n: (place[self.suggestions[n]["key"]], n))

    def _tell(self, numbers: list[int]) -> None:
        """Tell the sampler what came of these."""
        self._told.update(numbers)
        for number in numbers:
            key = self.suggestions[number]["key"]
            outcome = self.outcomes.of(key) if key else Outcome()
            self._sampler.told(number, outcome.values, outcome.stopped_at)

    def _start(self) -> Mapping[str, Any] | None:
        """What the next point is, where it is no sampler's: those to start with; one at random after repeats."""
        number = len(self.suggestions)
        starts = self.study.start_points(self._overrides)
        if number < len(starts):
            return starts[number]
        if self._repeats < REPEATS:
            return None
        drawn = random.Random(seed_of(self._said["identity"], "random", number))
        return self._space.choose(lambda _, one: one.drawn(drawn))[0]

    def _replay(self) -> None:
        """Go through what earlier runs suggested, as it came."""
        suggestions, self._said["suggestions"] = self.suggestions, []
        ended = self.outcomes.stored(one["key"] for one in suggestions)
        for at, one in enumerate(suggestions):
            if len(self.keys) == self.study.budget:  # an earlier run had a larger one, and suggested more
                self._said["suggestions"] += suggestions[at:]
                break
            self._tell([n for n in one["knew"] if suggestions[n]["key"] in ended | {""}])
            self._sampler.suggested(one["point"], self._start())
            self._add(one)
        self._queue = [key for key in self.keys if key not in ended]
