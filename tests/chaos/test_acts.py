"""Nothing is lost: damaged files, workers killed in one run, runs side by side, trials that misbehave."""

from __future__ import annotations

from pathlib import Path

import pytest
from acts import chain_of, every_cut_and_bit, others
from faults import KillWorkers
from scene import marked, wait_until
from world import World, shared_world

SEED = 0
ACTS = [
    "several files of a finished storage damaged",
    "old temporary files, locks and checkpoints left behind",
    "a storage written by a newer version",
    "two runs of a study at the same time",
    "trials that sleep, leak, raise, exit, run out of GPU memory, give NaN",
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> World:
    return shared_world(tmp_path_factory, worker_id)


def test_files_cut_or_flipped_anywhere_are_noticed(world: World, tmp_path: Path) -> None:
    assert sum(every_cut_and_bit(SEED, 100).play(tmp_path / "files", world, print).values()) == 800


def test_workers_killed_one_after_another_are_replaced_in_the_run(world: World, tmp_path: Path) -> None:
    workers = KillWorkers("workers", "SIGKILL of three workers", {0}, pauses=[0.3, 0.6, 0.2])
    assert sum(chain_of([workers]).play(tmp_path / "workers", world, print).values()) == 3


@pytest.mark.parametrize("kind", ACTS)
def test_others(kind: str, world: World, tmp_path: Path) -> None:
    act = next(act for act in others(SEED) if act.name == kind)
    assert sum(act.play(tmp_path / "scene", world, print).values()) >= 1


def test_no_process_is_left(world: World) -> None:
    """Last in this file, for what the tests before it began."""
    assert wait_until(lambda: not marked(), 120)
