"""How long trials take together that begin in an order as soon as there is room."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from study.running.resources import Node, Resources

# What adding up shares of a GPU may lose: ten tenths are one.
ROUNDING = 1e-9
# From so many trials on the last ones hardly count, and going through all of them would.
MANY = 2000


def seconds_until_done(
    jobs: Sequence[tuple[float, Resources]], nodes: Sequence[Node], most: int | None = None
) -> float:
    """Seconds until all jobs, each of so many seconds and with this share, are done on these nodes.

    Each begins as soon as a node has room for it and fewer than `most` run, in this order. In units other than seconds
    if the jobs are. Raises ValueError where no node has room for one.
    """
    if len(jobs) > MANY:
        at_once = min(share.concurrent_on(nodes) for share in {share for _, share in jobs})
        return sum(seconds for seconds, _ in jobs) / max(1, min(at_once, most or at_once))
    free = [[node.cpus + ROUNDING, node.gpus + ROUNDING] for node in nodes]
    running: list[tuple[float, int, int]] = []  # when it ends, which job, on which node
    now = 0.0
    for i, (seconds, share) in enumerate(jobs):
        while (place := _room(free, share) if most is None or len(running) < most else None) is None:
            if not running:
                raise ValueError(f"no node has room for {share}")
            now, ended, at = heapq.heappop(running)
            free[at][0] += jobs[ended][1].cpus
            free[at][1] += jobs[ended][1].gpus
        free[place][0] -= share.cpus
        free[place][1] -= share.gpus
        heapq.heappush(running, (now + seconds, i, place))
    return max((end for end, _, _ in running), default=0.0)


def _room(free: Sequence[Sequence[float]], share: Resources) -> int | None:
    return next((i for i, (cpus, gpus) in enumerate(free) if cpus >= share.cpus and gpus >= share.gpus), None)
