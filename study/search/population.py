"""Population: trials that are trained side by side, of which the worse ones go on from the state of better ones."""

from __future__ import annotations

import contextlib
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
from study.store.files import RefusedFile
from study.store.tenths import stored_tenths

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
        self._metric = self.study.metrics[self.study.objective[0]]
        self._over: set[str] = set()  # whose tenth is over, of the newest generation
        self._given: set[str] = set()
        self._begun: set[str] = set()  # that were given in this run, in any generation
        self._dead: set[str] = set()  # that failed or diverged
        self._seen: dict[str, list[float | None]] = {}  # the objective at the tenths that are over
        self._ready = False  # whether what earlier runs left was put in order
        suggestions, self._said["suggestions"] = self.suggestions, []
        self._generations: list[list[str]] = self._said.setdefault("generations", [])
        for one in suggestions:
            self._add({"parent": "", "begun": one["values"], "lineage": [], **one})
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
            if key in finished:
                self._ended_whole(key)
            elif key in states.stopped:
                self._seen[key] = stored_tenths(self._store, key, self._metric)
                if len(self._seen[key]) >= len(self._generations):
                    self._over.add(key)

    def _ended_whole(self, key: str) -> None:
        """It was trained to its end, or diverged."""
        self._over.add(key)
        if self.outcomes.of(key).diverged:
            self._dead.add(key)

    def _make_ready(self) -> None:
        """Put in order what earlier runs left, before anything is trained."""
        if not self._ready:
            self._ready = True
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
        self._make_ready()
        while True:
            for key in self._members:
                if key in self._over | self._given:
                    continue
                if self._fresh and key not in self._begun and not self._is_new_copy(key):
                    self._store.remove(key)
                self._begun.add(key)
                if self._is_stored(key):
                    self._ended_whole(key)
                    continue
                self._given.add(key)
                self._store.forget_stopped(key)
                return self.trial(key)
            if self.waits or len(self._generations) == TENTHS:
                return None
            self._breed()

    def _is_stored(self, key: str) -> bool:
        """Whether it was trained to its end before, for another study perhaps."""
        if not self._store.has(key):
            return False
        if self._store.damaged([key]):
            self._store.remove(key)
            return False
        self.outcomes.ended(key)
        return True

    def _is_new_copy(self, key: str) -> bool:
        """Whether it goes on from a state that was just copied."""
        lineage = self.suggestions[self._first[key]]["lineage"]
        return bool(lineage) and lineage[-1][0] == len(self._generations) - 1

    def trial(self, key: str) -> Trial:
        """The member of this key, to the end of the newest tenth."""
        followed = self.study.objective[0]
        return replace(super().trial(key), until=len(self._generations), watched=followed)

    def ended(self, key: str, failed: bool = False) -> None:
        """A member has come to the end of the tenth, or failed."""
        self._over.add(key)
        if failed:
            self._dead.add(key)
            self.outcomes.ended(key, failed)
        elif self._store.has(key):
            self.outcomes.ended(key)
            self._ended_whole(key)
        else:  # another run on this storage may go on with it, and remove what says so
            self._seen[key] = stored_tenths(self._store, key, self._metric)

    def best(self) -> str:
        """The best so far, as a text: `best val loss 0.31 (point 12, 40 %)`."""
        if not self.left() and not self.waits:
            return super().best()
        tenth = len(self._generations) - 1
        scores = {key: self._score(key, tenth) for key in self._members} if tenth else {}
        known = {key: score for key, score in scores.items() if score is not None}
        if not known:
            return ""
        key = max(known, key=lambda one: self._metric.sign * known[one])
        return f"best {self._metric.text(known[key])} (point {self._first[key]}, {10 * tenth} %)"

    def scores(self) -> dict[str, tuple[float, ...]]:
        """By key, the objective of each member that was trained to its end."""
        return {key: score for key, score in super().scores().items() if key in self._members}

    def _tenths(self, key: str) -> list[float | None]:
        """The objective at the ends of its tenths, as far as it was trained."""
        return self._seen.get(key) or stored_tenths(self._store, key, self._metric)

    def _score(self, key: str, tenth: int) -> float | None:
        """The objective at the end of a tenth; of a copy that has not begun, that of the one that it is a copy of."""
        for one in (key, self.suggestions[self._first[key]]["parent"]):
            if one and len(tenths := self._tenths(one)) >= tenth:
                return tenths[tenth - 1]
        return None

    def _breed(self) -> None:
        """The next generation."""
        tenth, members = len(self._generations), list(self._members)
        scores = {key: self._score(key, tenth) for key in members if key not in self._dead}
        known = {key: self._metric.sign * score for key, score in scores.items() if score is not None}
        ranked = sorted(known, key=lambda key: -known[key])
        few = len(members) // REPLACED or 1
        # From the state of one whose steps are all done nothing goes on.
        best = [key for key in ranked[:few] if not self._store.has(key)]
        worse = {*ranked[-few:]} - {*ranked[:few]} if len(ranked) > 1 else set()
        for place, key in enumerate(members):
            if best and (key in worse or key in self._dead):
                members[place] = self._copied(best, tenth, place) or key
        # Without those that can't go on, and for which there was no copy; unless there are no others.
        going = [key for key in dict.fromkeys(members) if key not in self._dead]
        self._generations.append(going or self._members)
        self._over = set() if going else set(self._members)
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
            if not one["parent"] or one["lineage"][-1][0] != tenth or self._store.has(key):
                continue
            if len(self._tenths(one["parent"])) == tenth:
                with contextlib.suppress(RefusedFile):
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
            if values == parent["values"]:
                continue
            lineage = [*parent["lineage"], [tenth, values]]
            key = self._key_of(parent["begun"], lineage_of(lineage))
            if key and key not in self._first:
                made = {"point": point, "values": values, "key": key, "knew": [], "parent": parent["key"]}
                self._add({**made, "begun": parent["begun"], "lineage": lineage})
                if self._fresh:
                    self._store.remove(key)
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
        moved = min(one.low + round((moved - one.low) / one.step) * one.step, one.high)
    return round(moved) if one.whole else moved
