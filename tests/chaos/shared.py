"""The undisturbed run that both files of tests compare with."""

from __future__ import annotations

import pickle

import pytest
from acts import World, undisturbed
from filelock import FileLock


def shared_world(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> World:
    """Of pytest's processes, the first that asks makes it and the other waits."""
    own = tmp_path_factory.getbasetemp()
    folder = own if worker_id == "master" else own.parent
    made = folder / "undisturbed.pickle"
    with FileLock(folder / "undisturbed.lock"):
        if not made.exists():
            made.write_bytes(pickle.dumps(undisturbed(folder / "undisturbed")))
    found: World = pickle.loads(made.read_bytes())
    return found
