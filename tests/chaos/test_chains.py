"""Nothing is lost: with test_acts.py some of the faults of `make chaos`; here kills, stops and a full disk.

What is printed names the fault; the same seeds give the same faults. There are two files to run side by side.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from acts import chain_of
from faults import Signal, at_every_point
from scene import marked, wait_until
from world import World, shared_world

SEED = 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> World:
    return shared_world(tmp_path_factory, worker_id)


def test_kills_and_stops_one_after_another_lose_nothing(world: World, tmp_path: Path) -> None:
    """Each costs a run of the study, so they are few; `make chaos` plays every point of the store's work."""
    at_point = {fault.said.split(" (number")[0]: fault for fault in at_every_point(random.Random(SEED))}
    faults = [
        at_point["driver: kill before rename of chaos.json"],
        Signal("stop", "SIGINT once", {130, 0}, name="SIGINT", sent=1, after=0.2),
        at_point["worker: kill-all middle write of checkpoint.pt"],
        at_point["worker: ENOSPC before write of result.json"],
    ]
    assert sum(chain_of(faults).play(tmp_path / "chain", world, print).values()) >= 3


def test_no_process_is_left(world: World) -> None:
    """Last in this file: two of Ray's agents live a minute longer than a driver that was killed."""
    assert wait_until(lambda: not marked(), 120)
