"""TensorBoard's event files of finished trials: <storage>/tensorboard/<study>/<arm>/seed-<s>."""

from __future__ import annotations

import re
import tempfile
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter

from study.store.trial_store import TrialStore

# Of a series, evenly chosen: TensorBoard shows 1,000 of them, and each takes 50 us to write.
MOST_POINTS = 10_000
EVENTS = "events.out.tfevents."


class EventFiles:
    """Writes a trial's event file for each study and arm that it belongs to, from what the store holds."""

    def __init__(self, store: TrialStore, records: list[dict[str, Any]]) -> None:
        self._store = store
        self._folders: dict[str, list[str]] = defaultdict(list)
        self.add(records)
        for record in records:
            self._remove_gone(f"tensorboard/{record['name']}")

    def add(self, records: list[dict[str, Any]]) -> None:
        """The studies of further trials."""
        for record in records:
            for arm in record["arms"]:
                for place, candidate in enumerate(arm["candidates"]):
                    folder = f"tensorboard/{record['name']}/{_as_name(arm['label'])}"
                    if candidate["overrides"]:
                        folder += f"/candidate-{place}"
                    for seed, key in enumerate(candidate["keys"]):
                        if (of_seed := f"{folder}/seed-{seed}") not in self._folders[key]:
                            self._folders[key].append(of_seed)

    def _remove_gone(self, folder: str) -> None:
        """Event files of arms and candidates that the study has no more, which TensorBoard would go on showing."""
        files = self._store.files
        there = {of_seed.rpartition("/")[0] for folders in self._folders.values() for of_seed in folders}
        for arm in files.names(folder):
            inside = files.names(f"{folder}/{arm}")
            candidates = [f"/{name}" for name in inside if name.startswith("candidate-")]
            for above in {f"{folder}/{arm}{candidate}" for candidate in ("", *candidates)} - there:
                for of_seed in files.names(above):
                    if files.read(whose := f"{above}/{of_seed}/trial.txt") is not None:  # ours
                        self._remove_events(f"{above}/{of_seed}")
                        files.remove(whose)

    def _remove_events(self, folder: str) -> None:
        for name in self._store.files.names(folder):
            if name.startswith(EVENTS):
                self._store.files.remove(f"{folder}/{name}")

    def write(self, key: str) -> None:
        """Each metric at the steps where it was measured, at some 10,000 of them at most, and the hyperparameters.

        Where this trial's event files are there already, they stay; another's are replaced.
        """
        files = self._store.files
        for folder in self._folders[key]:
            whose = f"{folder}/trial.txt"
            if files.read(whose) == key.encode():
                continue
            self._remove_events(folder)
            with tempfile.TemporaryDirectory() as made:
                self._write(key, made)
                for path in Path(made).iterdir():
                    files.write(f"{folder}/{path.name}", path.read_bytes())
            files.write(whose, key.encode())  # last: without it the folder is written anew

    def _write(self, key: str, folder: str) -> None:
        result, curve = self._store.result(key), self._store.curve(key)
        steps = curve["step"].to_numpy()
        with SummaryWriter(folder) as writer:
            for name in filter(lambda name: name != "step", curve.column_names):
                known = np.flatnonzero(curve[name].is_valid().to_numpy())
                values, n = curve[name].to_numpy(), min(len(known), MOST_POINTS)
                for place in known[np.linspace(0, len(known) - 1, n).round().astype(int)]:
                    writer.add_scalar(name, values[place], steps[place])
            settings = {**result["config"], "seed": result["seed"]}
            lines = "\n".join(f"    {name}: {value}" for name, value in settings.items())
            writer.add_text("hyperparameters", lines)


def _as_name(label: str) -> str:
    """The arm's label as a folder's name; what had to be changed is told apart by a checksum."""
    name = re.sub(r"[^\w.=,+-]+", "_", label)[:80].strip(".")
    return name if name and name == label else f"{name or 'arm'}-{zlib.crc32(label.encode()):08x}"
