"""What all acts compare with: the study run with nothing happening to it."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from scene import outcomes, scene
from subjects import IMAGES, Subject


@dataclass(frozen=True)
class World:
    """A subject's finished storage, its outcomes, and a checkpoint of some trial."""

    subject: Subject
    finished: Path
    reference: dict[str, Any]
    checkpoint: bytes


def undisturbed(folder: Path, subject: Subject = IMAGES) -> World:
    with scene(folder / "finished", subject=subject) as stage:
        code, err = stage.begin().end()
        if code:
            raise RuntimeError(f"the undisturbed run failed:\n{err}")
    at_its_first = {
        "point": "rename",
        "when": "after",
        "file": "checkpoint.pt",
        "do": "kill-all",
        "who": "worker",
    }
    with scene(folder / "begun", subject=subject) as begun:
        begun.begin(at_its_first).end()
        checkpoint = min(begun.storage.glob("trials/*/checkpoint.pt")).read_bytes()
    return World(subject, stage.storage, outcomes(stage.storage), checkpoint)


def shared_world(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> World:
    """The undisturbed run of both files of tests: of pytest's processes, the first that asks makes it."""
    own = tmp_path_factory.getbasetemp()
    folder = own if worker_id == "master" else own.parent
    made = folder / "undisturbed.pickle"
    with FileLock(folder / "undisturbed.lock"):
        if not made.exists():
            made.write_bytes(pickle.dumps(undisturbed(folder / "undisturbed")))
    found: World = pickle.loads(made.read_bytes())
    return found
