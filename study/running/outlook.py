"""How long a plan will take from its first moment to its last, and what it will cost."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.running.known_times import Known
from study.running.measured_times import Takes
from study.running.resources import Node, Resources
from study.running.schedule import about_until_done, seconds_until_done

# Ray's start; in each worker Python's, torch's and Ray Tune's imports; from the last step to the table. Per trial, what
# comes besides its training. benchmarks/forecast.py shows how right a forecast is with them.
RAY_SECONDS, WORKER_SECONDS, END_SECONDS, EACH_SECONDS = 4.0, 5.0, 3.0, 0.1
# A machine is not always equally fast: a range is at least so wide to both sides; where trials with other work tell, or
# some steps, as wide.
LEAST_SPREAD, SHORT_SPREAD = 0.1, 0.2
# From so many trials on the last ones hardly count, and going through all of them would.
MANY = 2000


@dataclass(frozen=True)
class Outlook:
    """What a plan's pending trials take.

    seconds: from the start to the end, None where some trial is not known; low and high: nine times of ten it lies
    between them, as far as can be told. core_hours and gpu_hours: of the trials that are known. disk_bytes: of their
    results. unknown: the keys of trials that are not. stored and measured: how many are known from what. machine_hours:
    the time of all nodes, which are paid for whether a trial runs on them or not.
    """

    seconds: float | None
    low: float | None
    high: float | None
    core_hours: float
    gpu_hours: float
    machine_hours: float | None
    disk_bytes: int
    unknown: tuple[str, ...]
    stored: int
    measured: int

    def price(self, per_hour: float) -> float | None:
        """What all machines cost together at so much for an hour of one."""
        return None if self.machine_hours is None else self.machine_hours * per_hour


def outlook(
    trials: Sequence[str],
    shares: Mapping[str, Resources],
    nodes: Sequence[Node],
    known: Known,
    measured: Mapping[str, Takes],
    most: int | None = None,
) -> Outlook:
    """Of the trials with these keys, in the order in which they start, at most `most` at a time."""
    takes: dict[str, Takes] = {**known.takes, **measured}
    there = [key for key in trials if key in takes]
    unknown = tuple(key for key in trials if key not in takes)
    around = RAY_SECONDS + WORKER_SECONDS + END_SECONDS if trials else 0.0
    low, high = _spread(known.ratios, known.roughly or bool(measured))
    seconds = None
    if not unknown:
        until_done = seconds_until_done if len(trials) <= MANY else about_until_done
        seconds = until_done(
            [(takes[key].seconds + EACH_SECONDS, shares[key]) for key in trials], nodes, most
        )
    hours = [(takes[key].seconds / 3600, shares[key]) for key in there]
    return Outlook(
        seconds=None if seconds is None else around + seconds,
        low=None if seconds is None else around + low * seconds,
        high=None if seconds is None else around + high * seconds,
        core_hours=sum(one * share.cpus for one, share in hours),
        gpu_hours=sum(one * share.gpus for one, share in hours),
        machine_hours=None if seconds is None else (around + seconds) / 3600 * len(nodes),
        disk_bytes=sum(takes[key].disk_bytes for key in there),
        unknown=unknown,
        stored=len(there) - len(measured) - known.measured,
        measured=len(measured) + known.measured,
    )


def _spread(ratios: Sequence[float], roughly: bool) -> tuple[float, float]:
    """The shortest and the longest, of what is expected."""
    least = SHORT_SPREAD if roughly else LEAST_SPREAD
    if len(ratios) < 2:
        return 1 - least, 1 + least
    parts = statistics.quantiles(ratios, n=20, method="inclusive")
    return min(1 - least, parts[0]), max(1 + least, parts[-1])
