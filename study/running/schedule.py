"""How long trials take together that begin in an order as soon as there is room."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

from study.running.resources import Node, Resources

# What adding up shares of a GPU may lose: ten tenths are one.
ROUNDING = 1e-9

Job = tuple[float, Resources]


def seconds_until_done(jobs: Sequence[Job], nodes: Sequence[Node], most: int | None = None) -> float:
    """Seconds until all jobs, each of so many seconds and with this share, are done on these nodes.

    Each begins as soon as a node has room for it and fewer than `most` run, in this order. In units other than seconds
    if the jobs are. Raises ValueError where no node has room for one.
    """
    rooms = [_Room(node) for node in nodes]
    running: list[tuple[float, int, _Room, list[int]]] = []  # when it ends, which job, where, on which GPUs
    now = 0.0
    for i, (seconds, share) in enumerate(jobs):
        while (found := _begun(rooms, share) if most is None or len(running) < most else None) is None:
            if not running:
                raise ValueError(f"no node has room for {share}")
            now, ended, room, gpus = heapq.heappop(running)
            room.leave(jobs[ended][1], gpus)
        heapq.heappush(running, (now + seconds, i, *found))
    return max((end for end, *_ in running), default=0.0)


def about_until_done(jobs: Sequence[Job], nodes: Sequence[Node], most: int | None = None) -> float:
    """About the same, for many jobs: what is needed most, of that all the nodes' together."""
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    needs = [
        max((seconds for seconds, _ in jobs), default=0.0),
        sum(seconds * share.cpus for seconds, share in jobs) / max(cpus, ROUNDING),
    ]
    if gpus:
        needs.append(sum(seconds * share.gpus for seconds, share in jobs) / gpus)
    if most:
        needs.append(sum(seconds for seconds, _ in jobs) / most)
    return max(needs)


class _Room:
    """What is free of a node: cores, and of each GPU a share."""

    def __init__(self, node: Node) -> None:
        self.cpus = node.cpus + ROUNDING
        self.gpus = [1.0 + ROUNDING] * int(node.gpus)

    def begin(self, share: Resources) -> list[int] | None:
        """Take the share; the GPUs on which it is, or None where there is no room."""
        each, count = min(share.gpus, 1.0), math.ceil(share.gpus)
        fits = [i for i, free in enumerate(self.gpus) if free >= each][:count]
        if self.cpus < share.cpus or len(fits) < count:
            return None
        self.cpus -= share.cpus
        for i in fits:
            self.gpus[i] -= each
        return fits

    def leave(self, share: Resources, gpus: Sequence[int]) -> None:
        self.cpus += share.cpus
        for i in gpus:
            self.gpus[i] += min(share.gpus, 1.0)


def _begun(rooms: Sequence[_Room], share: Resources) -> tuple[_Room, list[int]] | None:
    for room in rooms:
        if (gpus := room.begin(share)) is not None:
            return room, gpus
    return None
