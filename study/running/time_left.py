"""How long a run still takes: at first from what is known of its trials, then more and more from its own pace."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from study.running.outlook import END_SECONDS, MANY, WORKER_SECONDS
from study.running.resources import Node, Resources
from study.running.schedule import about_until_done, seconds_until_done

# An estimate from the pace alone needs so many seconds since the first report, and this share of all work (or a
# minute).
LEAST_SECONDS, LEAST_SHARE, ENOUGH_SECONDS = 10.0, 0.01, 60.0
# What is known beforehand counts as much as this share of the run, once its own pace shows.
KNOWN_COUNTS = 0.02
# A trial of which so large a share is done tells by itself how fast it is.
ENOUGH_OF_A_TRIAL = 0.25
# Of a trial that does not tell how much of it is done, but how long it takes is known: at most so much, until it ends.
MOST_ASSUMED = 0.95


@dataclass(frozen=True)
class Expected:
    """work: of each trial, in the order in which they start, by key: in seconds where those are `known`, else in any
    unit; trials may be added to it. shares: what each gets of the nodes. most: how many run at once at most. start:
    seconds until the first trial begins.
    """

    work: dict[str, float]
    shares: Mapping[str, Resources]
    nodes: Sequence[Node]
    most: int | None = None
    known: bool = False
    start: float = WORKER_SECONDS

    def until_done(self, work: Mapping[str, float]) -> float:
        """The time, in the unit of work, until these trials are done that have so much work left."""
        jobs = [(work[key], self.shares[key]) for key in self.work if key in work]
        until_done = seconds_until_done if len(self.work) <= MANY else about_until_done
        return until_done(jobs, self.nodes, self.most)


@dataclass
class TimeLeft:
    """Follows trials by their keys: how much of each is done."""

    expected: Expected
    # Of each trial: the share that is done, None where it does not tell; the share that an earlier run had done; when
    # it told something first, and the share that was done then; when it told something last.
    done: dict[str, float | None] = field(default_factory=dict)
    before: dict[str, float] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    at_first: dict[str, float] = field(default_factory=dict)
    heard: dict[str, float] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    begun: float = field(default_factory=lambda: time.monotonic())
    # When the first trial told something, and the time that what was done then takes.
    _first: tuple[float, float] | None = None

    @property
    def started(self) -> bool:
        """Whether a trial has told something."""
        return self._first is not None

    def told(self, key: str, done: float | None, before: float) -> None:
        """A trial is trained to this share, of which an earlier run did `before`."""
        self.done[key], self.heard[key] = done, time.monotonic()
        if key in self.since:
            return
        self.since[key], self.at_first[key], self.before[key] = self.heard[key], done or 0.0, before
        if self._first is None:
            self._first = self.since[key], self._spent(self.since[key])

    def ended(self, key: str) -> None:
        """What may be left of a trial will not be done."""
        self.over.add(key)

    def seconds(self) -> float | None:
        """An estimate in seconds, or None before it can be trusted."""
        now = time.monotonic()
        if self._first is None:
            if not self.expected.known:
                return None
            left = self.expected.until_done(self._left(now))
            return max(0.0, self.begun + self.expected.start - now) + left + END_SECONDS
        first, at_first = self._first
        seconds, spent = now - first, self._spent(now) - at_first
        if self.expected.known:
            prior = KNOWN_COUNTS * self.expected.until_done(self.expected.work)
            pace = (prior + seconds) / (prior + spent) if prior + spent > 0 else 1.0
            return self._seconds_left(now, pace) + END_SECONDS
        least = LEAST_SHARE * sum(self.expected.work.values()) if seconds < ENOUGH_SECONDS else 0.0
        if seconds < LEAST_SECONDS or spent <= least:
            return None
        return self._seconds_left(now, seconds / spent)

    def _seconds_left(self, now: float, pace: float) -> float:
        """With so many seconds to a unit of work; the more of a trial this run has done, the more by its own pace."""
        left = {key: work * pace for key, work in self._left(now).items()}
        for key in left:
            done = self.done.get(key)
            if done is not None and (trained := done - self.at_first[key]) > 0:
                whole = (self.heard[key] - self.since[key]) / trained
                by_itself = max(0.0, whole * (1 - done) - (now - self.heard[key]))
                trust = min(1.0, trained / ENOUGH_OF_A_TRIAL)
                left[key] += trust * (by_itself - left[key])
        return self.expected.until_done(left)

    def _share(self, key: str, now: float) -> float:
        """How much of a trial is done."""
        if (done := self.done.get(key, 0.0)) is not None:
            return done
        if not self.expected.known:
            return 0.0
        return min(MOST_ASSUMED, (now - self.since[key]) / self.expected.work[key])

    def _left(self, now: float) -> dict[str, float]:
        """What is left of trials that are not over."""
        works = self.expected.work.items()
        return {key: work * (1 - self._share(key, now)) for key, work in works if key not in self.over}

    def _spent(self, now: float) -> float:
        """The time that all that this run did takes."""
        whole = {
            key: work * ((self._share(key, now) if key in self.over else 1.0) - self.before.get(key, 0.0))
            for key, work in self.expected.work.items()
        }
        return self.expected.until_done(whole) - self.expected.until_done(self._left(now))
