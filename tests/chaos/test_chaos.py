"""Nothing is lost: about fifty of the faults of `make chaos`, and the invariants after each.

What is printed names the fault; the same seeds give the same faults.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from acts import World, chain_of, every_cut_and_bit, others, undisturbed
from faults import Fault, KillWorkers, Signal, at_every_point, at_random
from scene import marked, wait_until

SEED = 0
# Each costs a run of the study or two, so they are few; `make chaos` plays them all.
POINTS = [
    "driver: kill before rename of chaos.json",
    "worker: kill-all middle write of checkpoint.pt",
    "worker: kill-all before rename of result.json",
    "worker: ENOSPC before write of result.json",
]
ACTS = [
    "several files of a finished storage damaged",
    "old temporary files, locks and checkpoints left behind",
    "a storage written by a newer version",
    "two runs of a study at the same time",
    "trials that sleep, leak, raise, exit, run out of GPU memory, give NaN",
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return undisturbed(tmp_path_factory.mktemp("chaos") / "undisturbed")


def some_of_the_points() -> Iterator[Fault]:
    every = {fault.said.split(" (number")[0]: fault for fault in at_every_point(random.Random(SEED))}
    for said in POINTS:
        yield every[said]


def test_files_cut_or_flipped_anywhere_are_noticed(world: World, tmp_path: Path) -> None:
    assert sum(every_cut_and_bit(SEED, 100).play(tmp_path / "files", world, print).values()) == 800


def test_kills_at_points_of_the_store_s_work_lose_nothing(world: World, tmp_path: Path) -> None:
    assert sum(chain_of([*some_of_the_points()]).play(tmp_path / "points", world, print).values()) >= 3


def test_stops_and_kills_one_after_another_lose_nothing(world: World, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    stops = [
        Signal("stop", f"{name} {sent} times", {130, 0}, name=name, sent=sent, after=0.2)
        for name, sent in (("SIGINT", 1), ("SIGTERM", 1), ("SIGHUP", 2))
    ]
    faults = [stops[0], at_random(rng, "driver"), stops[1], stops[2]]
    assert sum(chain_of(faults).play(tmp_path / "chain", world, print).values()) >= 3


def test_workers_killed_one_after_another_are_replaced_in_the_run(world: World, tmp_path: Path) -> None:
    workers = KillWorkers("workers", "SIGKILL of five workers", {0}, pauses=[0.3, 0.6, 0.2, 0.5, 0.4])
    assert sum(chain_of([workers]).play(tmp_path / "workers", world, print).values()) == 5


@pytest.mark.parametrize("kind", ACTS)
def test_others(kind: str, world: World, tmp_path: Path) -> None:
    act = next(act for act in others(SEED) if act.name == kind)
    assert sum(act.play(tmp_path / "scene", world, print).values()) >= 1


def test_no_process_is_left(world: World) -> None:
    """Last in this file: two of Ray's agents live a minute longer than a driver that was killed."""
    assert wait_until(lambda: not marked(), 120)
