"""TensorBoard's files in a storage: <storage>/tensorboard/<study>/<arm>/seed-<s>, of trials that run and that ended.

While a trial runs its event file grows; when it has ended, another has all of it, and the first is left empty. Beside
them lies trial.txt: the key of the trial whose file is whole, or what `_of_running` makes of that of one that runs.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from study.store.event_file import PREFIX, EventFile, begun, whole
from study.store.files import StorageError
from study.store.trial_store import TrialStore, arms_of

WHOSE = "trial.txt"


class EventFiles:
    """Writes a trial's event file for each study and arm that it belongs to.

    `grow` may be called in a thread of its own.
    """

    def __init__(self, store: TrialStore, records: list[dict[str, Any]]) -> None:
        self._store = store
        self._folders: dict[str, list[str]] = defaultdict(list)
        self._records: list[dict[str, Any]] = []
        self._growing: dict[str, EventFile] = {}
        self._whole: set[str] = set()
        self._lock = threading.Lock()
        self.add(records)
        for record in records:
            self._remove_gone(f"tensorboard/{record['name']}")

    def add(self, records: list[dict[str, Any]]) -> None:
        """The studies of further trials, to which a search may add later."""
        self._records += [record for record in records if not any(record is one for one in self._records)]
        for record in records:
            for arm in arms_of(record):
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
                    if files.read(whose := f"{above}/{of_seed}/{WHOSE}") is not None:  # ours
                        self._remove_events(f"{above}/{of_seed}")
                        files.remove(whose)

    def _remove_events(self, folder: str) -> None:
        for name in self._store.files.names(folder):
            if name.startswith(PREFIX):
                self._store.files.remove(f"{folder}/{name}")

    def grow(self, key: str, said: Mapping[str, Any]) -> None:
        """Append what is new of a trial that runs, from what running.json says of it.

        A storage that refuses hinders nothing: the file is begun anew at the next call.
        """
        with self._lock:
            if key in self._whole:  # it ended since it said this
                return
            file = self._growing.get(key)
            try:
                if file is None:
                    file = self._growing[key] = self._begun(key, said)
                file.add_running(said)
                if new := file.take():
                    for folder in self._folders[key]:
                        self._store.files.append(f"{folder}/{file.name}", new)
            except (StorageError, OSError):
                self._end_growing(key)

    def _begun(self, key: str, said: Mapping[str, Any]) -> EventFile:
        if key not in self._folders:
            self.add(self._records)
        for folder in self._folders[key]:
            self._remove_events(folder)
            self._store.files.write(f"{folder}/{WHOSE}", _of_running(key))
        file = EventFile()
        file.add(begun(said["config"], said["seed"], said["started"]))
        return file

    def close(self) -> None:
        """Nothing grows any more: what is there of trials that were interrupted stays, until they go on."""
        with self._lock:
            for key in [*self._growing]:
                self._end_growing(key)

    def _end_growing(self, key: str) -> None:
        if file := self._growing.pop(key, None):
            file.close()

    def write(self, key: str) -> None:
        """The whole event file of a trial that ended, in place of the one that grew.

        Where this trial's event files are there already, they stay; another's are replaced.
        """
        files = self._store.files
        with self._lock:
            growing = self._growing.get(key)
            self._end_growing(key)
            self._whole.add(key)
            anew = [one for one in self._folders[key] if files.read(f"{one}/{WHOSE}") != key.encode()]
            if not anew:
                return
            file = EventFile()
            file.add(whole(self._store.result(key), self._store.curve(key)))
            content = file.take()
            file.close()
            for folder in anew:
                self._remove_events(folder)
                if growing:
                    # Removed, a TensorBoard that reads it would not go on to the next file.
                    files.write(f"{folder}/{growing.name}", b"")
                files.write(f"{folder}/{file.name}", content)
                files.write(f"{folder}/{WHOSE}", key.encode())  # last: without it the folder is written anew


def _of_running(key: str) -> bytes:
    """What trial.txt says of a trial that runs: not its key, so that the whole file takes the place of the part."""
    return f"{key} (running)".encode()


def _as_name(label: str) -> str:
    """The arm's label as a folder's name; what had to be changed is told apart by a checksum."""
    name = re.sub(r"[^\w.=,+-]+", "_", label)[:80].strip(".")
    return name if name and name == label else f"{name or 'arm'}-{zlib.crc32(label.encode()):08x}"
