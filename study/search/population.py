"""Population: trials that are trained side by side, of which the worse ones go on from the state of better ones."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from study.declare.dimension import Dimension
from study.errors import StudyError
from study.key import trial_keys
from study.lineage import TENTHS, Lineage, configs, lineage_of
from study.plan import Trial
from study.search.search import MOST_REPEATS, SEED, Search
from study.seeds import seed_of
from study.store.records import Damaged

# At each tenth so large a share of the members, the worst ones, is replaced.
REPLACED = 4
# How often a hyperparameter of a copy is drawn anew, and by what it is changed otherwise.
DRAWN_ANEW, FACTORS = 0.25, (0.8, 1.2)
# How often a copy is changed again where that gives a member that there is.
TRIES = 20


class Population(Search):
    """A search (sampler "pbt") of as many members as its budget says, all with the search's seed.

    They are trained tenth by tenth. After each, the worst quarter ends, and copies of members of the best quarter take
    their places: each goes on from the state of the one that it is a copy of, with hyperparameters that are changed a
    little or drawn anew. What a copy is trained with is its lineage, which is part of its key: so it can be trained
    again, from the beginning and with other seeds. Who is replaced depends on what the trials measured, and on nothing
    else: a search that is killed goes on as if it had not been.

    Source: Jaderberg et al., Population Based Training of Neural Networks (2017).
    """

    def _begin(self) -> None:
        self._over: set[str] = set()  # whose tenth is over, of the newest generation
        self._given: set[str] = set()
        self._failed: set[str] = set()
        self._new: set[str] = set()  # copies that were made for the next generation
        suggestions, self._said["suggestions"] = self.suggestions, []
        self._generations: list[list[str]] = self._said.setdefault("generations", [])
        for one in suggestions:
            self._add(one)
        if not self._generations:
            self._found()
        else:
            self._look()

    def _found(self) -> None:
        """The first generation: the baseline, the points of `start`, and points at random."""
        size = self.study.budget or 1
        while len(self._first) < size and self._repeats < MOST_REPEATS:
            number = len(self.suggestions)
            point = self._starts[number] if number < len(self._starts) else self._drawn(number)
            key, values = self._keyed(self._space.values(point))
            of_none = {"parent": "", "begun": values, "lineage": []}
            self._add({"point": point, "values": values, "key": key, "knew": [], **of_none})
        self._generations.append(list(self._first)[:size])

    def _look(self) -> None:
        """Which members of the newest generation have come to its end in an earlier run."""
        finished, states = self.outcomes.stored(self._members), self._store.states()
        for key in self._members:
            tenths = self._tenths(key) if key in states.stopped - states.finished else []
            if key in finished or len(tenths) >= len(self._generations):
                self._over.add(key)
        for key in self.outcomes.damaged:
            self._store.remove(key)
        self._copy_states()

    @property
    def _members(self) -> list[str]:
        return self._generations[-1]

    @property
    def keys(self) -> list[str]:
        """Those of all members that there were."""
        return list(self._first)

    def known(self, key: str) -> bool:
        """Whether no more is trained of this trial."""
        return key not in self._members or key in self._over

    def left(self) -> int:
        """How many tenths of members may still be given."""
        after = (TENTHS - len(self._generations)) * len(self._members)
        return after + sum(key not in self._over | self._given for key in self._members)

    @property
    def waits(self) -> bool:
        """Whether the next generation waits for members that are trained."""
        return bool(self._given - self._over)

    def foreseen(self) -> list[str]:
        """Nothing: the first generation is there, and each member is a trial, however often it is replaced."""
        return []

    def samples(self) -> list[Trial]:
        """As of a search, trained for a tenth."""
        return [replace(one, until=1) for one in super().samples()]

    def next(self) -> Trial | None:
        """A member to be trained to the end of this tenth."""
        while True:
            for key in self._members:
                if key not in self._over | self._given:
                    self._given.add(key)
                    self._store.forget_stopped(key)
                    return self.trial(key)
            if self.waits or len(self._generations) == TENTHS:
                return None
            self._breed()

    def trial(self, key: str) -> Trial:
        """The member of this key, to the end of the newest tenth."""
        followed = self.study.objective[0]
        return replace(super().trial(key), until=len(self._generations), watched=followed)

    def ended(self, key: str, failed: bool = False) -> None:
        """A member has come to the end of the tenth, or failed."""
        self._over.add(key)
        if failed:
            self._failed.add(key)
        if failed or self._store.has(key):
            self.outcomes.ended(key, failed)

    def best(self) -> str:
        """The best so far, as a text: `best val loss 0.31 (point 12, 40 %)`."""
        if not self.left() and not self.waits:
            return super().best()
        tenth = len(self._generations) - 1
        metric = self.study.metrics[self.study.objective[0]]
        scores = {key: self._score(key, tenth) for key in self._members} if tenth else {}
        known = {key: score for key, score in scores.items() if score is not None}
        if not known:
            return ""
        key = max(known, key=lambda one: metric.sign * known[one])
        return f"best {metric.text(known[key])} (point {self._first[key]}, {10 * tenth} %)"

    def scores(self) -> dict[str, tuple[float, ...]]:
        """By key, the objective of each member that was trained to its end."""
        return {key: score for key, score in super().scores().items() if key in self._members}

    def _tenths(self, key: str) -> list[float | None]:
        try:
            found: list[float | None] = self._store.stopped(key)["tenths"]
        except Damaged:
            return []
        return found

    def _score(self, key: str, tenth: int) -> float | None:
        """The objective at the end of a tenth; of a copy that has not begun, that of the one that it is a copy of."""
        parent = self.suggestions[self._first[key]]["parent"]
        for one in (key, parent):
            if one and len(tenths := self._tenths(one)) >= tenth:
                return tenths[tenth - 1]
        return None

    def _alive(self, key: str) -> bool:
        """Whether it can go on: it did not fail, and did not diverge."""
        return key not in self._failed and not self._store.has(key)

    def _breed(self) -> None:
        """The next generation."""
        tenth, members = len(self._generations), list(self._members)
        sign = self.study.metrics[self.study.objective[0]].sign
        scores = {key: self._score(key, tenth) for key in members if self._alive(key)}
        known = {key: sign * score for key, score in scores.items() if score is not None}
        ranked = sorted(known, key=lambda key: -known[key])
        few = len(members) // REPLACED or 1
        worse = {*ranked[-few:]} - {*ranked[:few]} if len(ranked) > 1 else set()
        for place, key in enumerate(members):
            if ranked and (key in worse or key not in scores):
                members[place] = self._copied(ranked[:few], tenth, place) or key
        # Without those that can't go on, and for which there was no copy.
        self._generations.append([key for key in dict.fromkeys(members) if key in scores or key in self._new])
        self._new.clear()
        self._over.clear()
        self._given.clear()
        self.save()
        self._copy_states()

    def _copy_states(self) -> None:
        """New copies go on from where those are of which they are copies, unless these have gone on themselves; such a
        copy is trained from the beginning, to the same.
        """
        tenth = len(self._generations) - 1
        for key in self._members:
            one = self.suggestions[self._first[key]]
            if one["parent"] and one["lineage"][-1][0] == tenth and len(self._tenths(one["parent"])) == tenth:
                self._store.copy_checkpoint(one["parent"], key)

    def _copied(self, best: list[str], tenth: int, place: int) -> str:
        """The key of a new copy of one of the best; "" where each that was tried is there or can't be."""
        drawn = random.Random(seed_of(self._said["identity"], "population", tenth, place))
        for _ in range(TRIES):
            parent = self.suggestions[self._first[drawn.choice(best)]]
            point = {
                name: _changed(self._space.dimensions[name], at, drawn)
                for name, at in parent["point"].items()
            }
            values = self._keyed(self._space.values(point))[1]
            lineage = [*parent["lineage"], [tenth, values]]
            key = self._key_of(parent["begun"], lineage_of(lineage))
            if key and key not in self._first:
                made = {"point": point, "values": values, "key": key, "knew": [], "parent": parent["key"]}
                self._add({**made, "begun": parent["begun"], "lineage": lineage})
                self._new.add(key)
                return key
        return ""

    def _key_of(self, begun: Mapping[str, Any], lineage: Lineage) -> str:
        try:
            config = self._config(begun)
            configs(config, lineage)
        except StudyError:
            return ""
        return trial_keys(self.study.kind, config, [SEED], self.baseline.data, lineage)[0]

    def _drawn(self, number: int) -> dict[str, Any]:
        drawn = random.Random(seed_of(self._said["identity"], "random", number))
        return self._space.choose(lambda _, one: one.drawn(drawn))[0]


def _changed(one: Dimension, at: Any, drawn: random.Random) -> Any:
    """What a copy has in this dimension."""
    if drawn.random() < DRAWN_ANEW:
        return one.drawn(drawn)
    if one.choices is not None:
        return min(max(at + drawn.choice((-1, 1)), 0), len(one.choices) - 1)
    moved = min(max(at * drawn.choice(FACTORS), one.low), one.high)
    if one.step and not one.log:
        moved = one.low + round((moved - one.low) / one.step) * one.step
    return round(moved) if one.whole else moved
