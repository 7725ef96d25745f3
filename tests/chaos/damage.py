"""Faults of files: cut at every byte, one bit flipped, left behind, written by a newer version."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chain import settle
from faults import moment
from scene import Scene, require

from study.store.records import Damaged
from study.store.trial_store import TrialStore


def cut_and_flipped(content: bytes, rng: random.Random, n: int | None) -> Iterator[tuple[str, bytes]]:
    """Cut at every byte, and with a bit of every byte flipped; at `n` places only, if given."""
    places = range(len(content)) if n is None else sorted(rng.sample(range(len(content)), n))
    for place in places:
        yield f"cut at byte {place}", content[:place]
    for place in places:
        bit = rng.randrange(8)
        changed = content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]
        yield f"bit {bit} of byte {place} flipped", changed


def every_damage_is_noticed(
    finished: Path, storage: Path, checkpoint: bytes, seed: int, n: int | None
) -> dict[str, int]:
    """Damage each kind of file in a copy of a finished storage: reading says so, or gives what was written.

    A flipped bit may lie where it means nothing, such as in a file's padding. Gives how many faults of each
    kind of file. `checkpoint` is the content of some trial's checkpoint.pt.
    """
    rng = random.Random(seed)
    shutil.copytree(finished, storage)
    store = TrialStore(storage)
    key = min(path.parent.name for path in storage.glob("trials/*/result.json"))
    folder = storage / "trials" / key
    (folder / "checkpoint.pt").write_bytes(checkpoint)
    readers = {
        folder / "result.json": lambda: store.result(key),
        folder / "curve.parquet": lambda: store.curve(key).to_pydict(),
        folder / "checkpoint.pt": lambda: store.checkpoint(key),
        storage / "studies/chaos.json": lambda: store.study("chaos"),
    }
    counts = {}
    for path, read in readers.items():
        whole, written = path.read_bytes(), read()
        faults = list(cut_and_flipped(whole, rng, n))
        for said, content in faults:
            path.write_bytes(content)
            try:
                require(read() == written, f"{path.name} {said}: other data was read, and nothing said")
            except Damaged as damage:
                require(
                    path.name in str(damage), f"{path.name} {said}: the message does not name it: {damage}"
                )
        path.write_bytes(whole)
        counts[f"{path.name} cut, or a bit flipped"] = len(faults)
    return counts


def a_damaged_storage_is_mended(stage: Scene, finished: Path, reference: dict[str, Any], seed: int) -> int:
    """Damage several files of a finished storage; the same command says so and ends with the same bits."""
    rng = random.Random(seed)
    shutil.copytree(finished, stage.storage)
    keys = sorted(stage.trials())
    damaged = [stage.storage / "trials" / keys[i] / name
               for i, name in enumerate(("result.json", "curve.parquet"))]  # fmt: skip
    for path in [*damaged, stage.storage / "studies/chaos.json"]:
        _, content = rng.choice([*cut_and_flipped(path.read_bytes(), rng, 20)][:20])
        path.write_bytes(content)
    (stage.storage / "trials" / keys[2] / "curve.parquet").unlink()
    code, err = stage.begin().end()
    require(code == 0, f"exit code {code}:\n{err}")
    for path in damaged:
        require(f"is trained again: {path}" in err, f"{path} was not said to be damaged:\n{err}")
    require("1 stored, 3 to train" in err, f"not the damaged ones alone are trained:\n{err}")
    settle(stage, reference)
    return 4


def a_damaged_checkpoint_starts_anew(stage: Scene, reference: dict[str, Any], seed: int) -> int:
    """Cut or flip the checkpoints that a killed run left; each trial says so and ends with the same bits."""
    rng = random.Random(seed)
    run = stage.begin()
    moment(stage, run, in_training=True, after=0.5)
    run.kill()
    run.end()
    paths = [*stage.storage.glob("trials/*/checkpoint.pt")]
    require(bool(paths), "the killed run left no checkpoint")
    for path in paths:
        _, content = rng.choice([*cut_and_flipped(path.read_bytes(), rng, 20)])
        path.write_bytes(content)
    code, err = stage.begin().end()
    require(code == 0, f"exit code {code}:\n{err}")
    for path in paths:
        require(f"starts anew: {path}: the checksum" in err, f"{path} was not said to be damaged:\n{err}")
    settle(stage, reference)
    return len(paths)


def what_lies_about_is_cleared_away(stage: Scene, finished: Path, reference: dict[str, Any]) -> int:
    """Old temporary files, locks and checkpoints beside finished trials."""
    shutil.copytree(finished, stage.storage)
    trial = stage.storage / "trials" / min(stage.trials())
    left = [trial / ".result.json.0.tmp", trial / "lock", trial / "checkpoint.pt", trial / "error.txt",
            stage.storage / "studies/.chaos.json.0.tmp", stage.storage / "tables/.chaos.csv.0.tmp",
            stage.storage / "figures/.chaos.png.0.tmp"]  # fmt: skip
    for path in left:
        path.write_bytes(b"half")
    settle(stage, reference)
    return len(left)


def a_newer_storage_is_left_alone(stage: Scene, finished: Path) -> int:
    """A result of a later format is not trained again, nor overwritten: the request is refused."""
    from study.store import records

    shutil.copytree(finished, stage.storage)
    path = stage.storage / "trials" / min(stage.trials()) / "result.json"
    newer = {**json.loads(path.read_text()), "format": records.FORMAT + 1}
    del newer["sha256"]
    path.write_bytes(records.encoded(newer))
    before = path.read_bytes()
    code, err = stage.begin().end()
    require(code == 2, f"exit code {code}:\n{err}")
    require("newer version of study" in err, f"not said to be newer:\n{err}")
    require(path.read_bytes() == before, "a newer result was overwritten")
    return 1
