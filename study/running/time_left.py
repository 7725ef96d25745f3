"""How long a run still takes: at first from what is known of its trials, then more and more from its own pace."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from study.running.outlook import END_SECONDS, START_SECONDS
from study.running.resources import Node, Resources
from study.running.schedule import seconds_until_done

# An estimate from the pace alone needs so many seconds since the first report, and this share of all work (or a
# minute).
LEAST_SECONDS, LEAST_SHARE, ENOUGH_SECONDS = 10.0, 0.01, 60.0
# What is known beforehand counts as much as this share of the run, once its own pace shows.
KNOWN_COUNTS = 0.02


@dataclass(frozen=True)
class Expected:
    """work: of each trial, in the order in which they start, by key: in seconds where those are `known`, else in any
    unit. shares: what each gets of the nodes. most: how many run at once at most.
    """

    work: Mapping[str, float]
    shares: Mapping[str, Resources]
    nodes: Sequence[Node]
    most: int | None = None
    known: bool = False

    def until_done(self, work: Mapping[str, float]) -> float:
        """The time, in the unit of work, until these trials are done that have so much work left."""
        jobs = [(work[key], self.shares[key]) for key in self.work if key in work]
        return seconds_until_done(jobs, self.nodes, self.most)


@dataclass
class TimeLeft:
    """Follows trials by their keys: how much of each is done."""

    expected: Expected
    # Of each trial: the share that is done, and the share that an earlier run had done.
    done: dict[str, float] = field(default_factory=dict)
    before: dict[str, float] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    begun: float = field(default_factory=lambda: time.monotonic())
    # When the first trial told something, and the time that what was done then takes.
    _first: tuple[float, float] | None = None

    @property
    def started(self) -> bool:
        """Whether a trial has told something."""
        return self._first is not None

    def told(self, key: str, done: float, before: float) -> None:
        """A trial is trained to this share, of which an earlier run did `before`."""
        self.before.setdefault(key, before)
        self.done[key] = done
        if self._first is None:
            self._first = time.monotonic(), self._spent()

    def ended(self, key: str) -> None:
        """What may be left of a trial will not be done."""
        self.over.add(key)

    def seconds(self) -> float | None:
        """An estimate in seconds, or None before it can be trusted."""
        now, left = time.monotonic(), self.expected.until_done(dict(self._left()))
        if self._first is None:
            if not self.expected.known:
                return None
            return max(0.0, self.begun + START_SECONDS - now) + left + END_SECONDS
        first, at_first = self._first
        seconds, spent = now - first, self._spent() - at_first
        if self.expected.known:
            prior = KNOWN_COUNTS * self.expected.until_done(self.expected.work)
            return left * (prior + seconds) / (prior + spent) + END_SECONDS if left else END_SECONDS
        least = LEAST_SHARE * sum(self.expected.work.values()) if seconds < ENOUGH_SECONDS else 0.0
        if seconds < LEAST_SECONDS or spent <= least:
            return None
        return left * seconds / spent

    def _left(self) -> Iterator[tuple[str, float]]:
        """What is left of trials that are not over."""
        for key, work in self.expected.work.items():
            if key not in self.over:
                yield key, work * (1 - self.done.get(key, 0.0))

    def _spent(self) -> float:
        """The time that all that this run did takes."""
        whole = self.expected.until_done(
            {
                key: work
                * ((self.done.get(key, 0.0) if key in self.over else 1.0) - self.before.get(key, 0.0))
                for key, work in self.expected.work.items()
            }
        )
        return whole - self.expected.until_done(dict(self._left()))
