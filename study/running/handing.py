"""Handing out the trials of a plan one after the other, where some of them depend on the results of others."""

from __future__ import annotations

from collections.abc import Sequence

from study.lineage import TENTHS
from study.plan import Plan, Source, Trial
from study.running import resources
from study.running.options import Options
from study.running.prepare import Prepared
from study.running.resources import Node, Resources
from study.running.time_left import Expected
from study.training import Cost

# Trials that are not known yet; keys are hexadecimal.
UNKNOWN = "suggestion "


class Handing:
    """Hands out places in `trials`: those of the plan's source, which it appends, and then those that stood there.

    What it learns of a new trial it adds to `prepared.costs`, `shares` and what is `expected` to be done.
    """

    def __init__(
        self,
        plan: Plan,
        source: Source | None,
        trials: list[Trial],
        prepared: Prepared,
        shares: dict[str, Resources],
        nodes: Sequence[Node],
        options: Options,
        expected: Expected,
    ) -> None:
        self._plan, self._source, self._trials, self._prepared = plan, source, trials, prepared
        self._shares, self._nodes, self._options, self._expected = shares, nodes, options, expected
        self._waiting = list(range(len(trials)))
        self._places: dict[str, int] = {}
        if source:
            self._expect(source)

    def take(self) -> int | None:
        """The place of a trial that is to be trained now; None where there is no more."""
        while self._source and (trial := self._source.next()):
            self._expect(self._source)
            if trial.key not in self._places or trial.until is not None:
                return self._hand(self._place_of(trial, self._source))
        if self._source:
            self._expect(self._source)
        while self._waiting:
            place = self._waiting.pop(0)
            if self._trials[place].key not in self._places:
                return self._hand(place)
        return None

    @property
    def waits(self) -> bool:
        """Whether there may be more when a trial that runs has ended."""
        return self._source is not None and self._source.waits

    def ended(self, place: int, failed: bool = False) -> None:
        """A trial that was handed out has ended."""
        if self._source:
            self._source.ended(self._trials[place], failed)

    def again(self, place: int) -> None:
        """A trial that was handed out is handed out again, after all others."""
        del self._places[self._trials[place].key]
        self._waiting.append(place)

    def _hand(self, place: int) -> int:
        self._places[self._trials[place].key] = place
        return place

    def _place_of(self, trial: Trial, source: Source) -> int:
        """Where the trial stands; it may be one of those that are known."""
        for place, known in enumerate(self._trials):
            if known.key == trial.key:
                if trial.until is not None:  # it goes on
                    self._trials[place] = trial
                    self._expect_part(trial)
                return place
        kind = self._plan.trainings[trial.training]
        cost = kind.cost(trial.config, self._prepared.data[trial.data])
        self._prepared.costs[trial.key] = cost
        self._shares[trial.key] = self._share(trial, cost, source)
        self._expect_part(trial)
        self._trials.append(trial)
        return len(self._trials) - 1

    def _expect_part(self, trial: Trial) -> None:
        self._shares[trial.part] = self._shares[trial.key]
        self._expected.work[trial.part] = self._work(trial)

    def _work(self, trial: Trial) -> float:
        """Of a population's trial that of one tenth."""
        whole = self._prepared.costs[trial.key].work / self._shares[trial.key].threads
        return whole if trial.until is None else whole / TENTHS

    def _share(self, trial: Trial, cost: Cost, source: Source) -> Resources:
        """As its cost says, with the largest part of a GPU that was measured for the search's samples."""
        gpus = self._options.gpus_per_trial
        if gpus is None:
            gpus = max(self._shares[one.key].gpus for one in source.samples if one.study == trial.study)
        return resources.decide(self._options.cpus_per_trial, gpus, self._nodes, cost)

    def _expect(self, source: Source) -> None:
        """Expect as many trials as the source may still give, each with the work of its first sample."""
        work, shares = self._expected.work, self._shares
        like = source.samples[0].key
        unknown = [key for key in work if key.startswith(UNKNOWN)]
        for key in unknown[source.left :]:
            del work[key]
        for number in range(len(unknown), source.left):
            key = f"{UNKNOWN}{number}"
            work[key] = self._work(source.samples[0])
            shares[key] = shares[like]
