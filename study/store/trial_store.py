"""TrialStore: where finished trials lie, keyed by what they are, on any filesystem.

    studies/<name>.json           a study as last run: arms, seeds, keys, published, claims
    trials/<key>/curve.parquet    step, and a column for each metric, null where it was not measured
    trials/<key>/result.json      config, metrics, provenance; written last: it commits the trial
    trials/<key>/trained.pt       only where weights are kept: a sha256 (32 bytes), then the last TrialRun.state()
    trials/<key>/checkpoint.pt    only while unfinished: the same of the last step that was saved
    trials/<key>/running.json     only while it is trained: how far it is (running_file.py)
    trials/<key>/stopped.json     only if it was stopped early, or waits for its population: where and why
    trials/<key>/error.txt        only after a failure: the traceback
    trials/<key>/lock             only while unfinished: held by the process that trains it

Everything is plain data with a checksum: reading a storage executes nothing, follows nothing out of it, and
takes memory in proportion to its files. Every file is whole or absent. Only files of these names are removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock, Timeout
from upath import UPath

from study.errors import StudyError
from study.paths import expanded
from study.store import format1
from study.store.curve_file import decoded_curve, encoded_curve, with_steps
from study.store.files import Files, RefusedFile, StorageError, is_local, is_temporary, reason
from study.store.local_files import Listed
from study.store.records import RESULT, STOPPED, STUDY, Damaged, NewerFormat, decoded, encoded

COMMITTED = {"curve.parquet", "result.json"}
KEPT = COMMITTED | {"trained.pt"}
OURS = KEPT | {"checkpoint.pt", "running.json", "stopped.json", "error.txt", "lock"}
# What a process writes into an object store to see whether it can; its number follows.
PROBE = ".write-test-"
# An object store answers many at once; what a disk has, one processor reads anyway.
READERS, LOCAL_READERS = 16, 2
# The most that is read of each: what is larger would fill the memory.
MOST_CURVE_BYTES = 256 * 1024**2
MOST_RESULT_BYTES = 8 * 1024**2
MOST_STUDY_BYTES = 32 * 1024**2
MOST_CHECKPOINT_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4


@dataclass(frozen=True)
class States:
    """The keys of a storage's trials, each in one of the first three at most.

    `failed` raised an error when they were last tried, and may be interrupted ones too. `littered` are finished trials
    beside whose files others lie, left by a killed process. `running` are unfinished ones that say how far they are;
    those that a killed process trained say so no more (running_file.running).
    """

    finished: set[str]
    stopped: set[str]
    interrupted: set[str]
    littered: set[str]
    failed: set[str]
    running: set[str]

    def __contains__(self, key: str) -> bool:
        """Whether anything of this trial is stored."""
        return key in self.finished or key in self.stopped or key in self.interrupted


class TrialStore:
    """Results and checkpoints under one folder or URL that fsspec knows (`./results`, `s3://...`).

    Every method that reads or writes raises StorageError where the filesystem lastingly refuses.
    """

    def __init__(self, root: str | Path | UPath) -> None:
        if str(root).startswith("~"):
            root = expanded(str(root))
        try:
            self.root = UPath(root)
            if not is_local(self.root):
                # A listing that is kept knows nothing of what other processes write meanwhile.
                self.root = UPath(self.root, use_listings_cache=False)
        except (ValueError, ImportError, OSError) as error:
            raise StudyError(
                f"storage {root}: {error}", "Give a folder or a URL such as s3://bucket/results."
            ) from None
        if is_local(self.root):
            # Workers have other working directories.
            self.root = UPath(Path(str(self.root.path)).absolute())
        try:
            usable = self.root.is_dir() or not self.root.exists()
            if self.root.is_dir():
                next(iter(self.root.iterdir()), None)  # what can't be listed is not empty
        except ImportError as error:
            raise StudyError(
                f"storage {root}: {error}", "pip install 'study[cluster]' brings S3 and Google's storage."
            ) from None
        except Exception as error:  # whatever the file system's own library raises
            raise StudyError(f"storage {root} can't be read: {reason(error)}") from None
        if not usable:
            raise StudyError(f"storage {root} is a file, not a folder.", "Name another with --storage.")
        self.files = Files(self.root)

    def check_writable(self) -> None:
        """Raises StudyError where the storage can't be written."""
        try:
            if is_local(self.root):
                # Nobody sees this file, and a killed process leaves none. A missing folder is not made yet: the
                # request may still turn out to be wrong.
                folder = Path(self.root.path)
                # A link that leads nowhere is there, and refused.
                existing = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
                with tempfile.TemporaryFile(dir=existing) as file:
                    file.write(b"test")
            else:
                for path in self.root.iterdir() if self.root.exists() else ():
                    if path.name.startswith(PROBE):
                        self.files.remove(path.name)  # of a process that was killed here
                probe = f"{PROBE}{os.getpid()}"
                self.files.write(probe, b"test")
                self.files.remove(probe)
        except (OSError, StudyError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
            raise StudyError(
                f"storage {self.root} can't be written: {reason(cause)}",
                "Name another folder or URL with --storage or STUDY_STORAGE.",
            ) from None

    def states(self, known: Listed | None = None) -> States:
        """How far all trials are, in one listing; `known` as in `Files.names_by_folder`."""
        found = self.files.names_by_folder("trials", known)
        finished = {key for key, names in found.items() if "result.json" in names}
        stopped = {key for key, names in found.items() if "stopped.json" in names} - finished
        return States(
            finished,
            stopped,
            {key for key, names in found.items() if "checkpoint.pt" in names} - finished - stopped,
            {key for key in finished if any(map(_is_left_over, found[key]))},
            {key for key, names in found.items() if "error.txt" in names} - finished - stopped,
            {key for key, names in found.items() if "running.json" in names} - finished,
        )

    def has(self, key: str) -> bool:
        """Whether this trial is committed."""
        return self.files.exists(f"trials/{key}/result.json")

    def damaged(self, keys: Iterable[str]) -> dict[str, str]:
        """Of these committed trials, those that can't be read any more, and what is wrong with them.

        Raises StudyError where one was written by a newer version, which is to be trusted.
        """
        wanted = list(keys)
        with ThreadPoolExecutor(LOCAL_READERS if is_local(self.root) else READERS) as threads:
            found = threads.map(self._damage, wanted)
            return {key: damage for key, damage in zip(wanted, found, strict=True) if damage}

    def _damage(self, key: str) -> str | None:
        try:
            self.result(key)
            self.curve(key)
        except NewerFormat as error:
            raise StudyError(str(error), "Upgrade, or name another storage with --storage.") from None
        except Damaged as damage:
            return str(damage)
        return None

    def save_stopped(self, key: str, why: dict[str, Any]) -> None:
        """Record that a scheduler stopped the trial; it is not finished, and its checkpoint stays."""
        self.files.write(f"trials/{key}/stopped.json", encoded(why))

    def stopped(self, key: str) -> dict[str, Any]:
        """Where and why a scheduler stopped the trial. Raises Damaged, also where it did not."""
        content, where = self.content(f"trials/{key}/stopped.json", MOST_RESULT_BYTES)
        return decoded(content, STOPPED, where)

    def forget_stopped(self, key: str) -> None:
        """The trial goes on."""
        self.files.remove(f"trials/{key}/stopped.json")

    def result(self, key: str) -> dict[str, Any]:
        """The trial's result. Raises Damaged, also where it is missing or incomplete."""
        return result_of(key, *self.content(f"trials/{key}/result.json", MOST_RESULT_BYTES))

    def curve(self, key: str) -> pa.Table:
        """The trial's steps and what was measured at them. Raises Damaged, also where it is missing."""
        content, where = self.content(f"trials/{key}/curve.parquet", MOST_CURVE_BYTES)
        curve = decoded_curve(content, where)
        if format1.is_curve(curve):
            try:
                curve = format1.upgraded_curve(curve, self.result(key))
            except KeyError as lacking:
                raise Damaged(f"{where}: is of format 1 and has no {lacking}, or its result is not") from None
        return with_steps(curve, where)

    def commit(self, key: str, curve: dict[str, Any], result: dict[str, Any]) -> None:
        """Write a trial that ended: first the curve (as `encoded_curve` takes it), then the result that makes it
        count.
        """
        self.files.write(f"trials/{key}/curve.parquet", encoded_curve(curve))
        self.files.write(f"trials/{key}/result.json", encoded({"key": key, **result}))
        self.tidy(key)

    def tidy(self, key: str) -> None:
        """Remove what a process left beside a finished trial's files."""
        self._remove(key, _is_left_over)

    def remove(self, key: str) -> None:
        """Forget a trial; the result goes first, so that half a removal is an unfinished trial."""
        self.files.remove(f"trials/{key}/result.json")
        self._remove(key, lambda name: name in OURS or is_temporary(name))

    def _remove(self, key: str, unwanted: Callable[[str], bool]) -> None:
        for name in filter(unwanted, self.files.names(f"trials/{key}")):
            self.files.remove(f"trials/{key}/{name}")

    def lock(self, key: str) -> FileLock | None:
        """The right to train this trial, until it is released or this process ends; None where another
        process has it.

        It keeps several runs on one storage from training the same trial at the same time; where it can't
        be had (an object store, a filesystem without locks), they may do so, and write the same bits.
        """
        folder = self.files.make_folder(f"trials/{key}")
        lock = FileLock((folder or Path()) / "lock", blocking=False)
        if folder is None:
            return lock
        try:
            lock.acquire()
        except Timeout:
            return None
        except OSError:
            return lock
        self.files.remove_temporary(f"trials/{key}")
        return lock

    def unlock(self, lock: FileLock) -> None:
        """Let others train the trial."""
        if lock.is_locked:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def abandoned(self, key: str) -> bool:
        """Whether a process was killed that trained the trial, or one does so still."""
        return self.files.exists(f"trials/{key}/lock")

    def save_checkpoint(self, key: str, state: bytes) -> None:
        """Keep an unfinished trial's state, in place of an older one."""
        self._save_state(f"trials/{key}/checkpoint.pt", state)

    def save_trained(self, key: str, state: bytes) -> None:
        """Keep the state of a trial whose last step is done, before it is committed."""
        self._save_state(f"trials/{key}/trained.pt", state)

    def _save_state(self, path: str, state: bytes) -> None:
        self.files.write(path, hashlib.sha256(state).digest() + state)

    def copy_checkpoint(self, key: str, other: str) -> None:
        """The other trial goes on from this one's state, where it has none of its own and this one has any."""
        if not self.files.exists(f"trials/{other}/checkpoint.pt"):
            content = self.files.read(f"trials/{key}/checkpoint.pt", MOST_CHECKPOINT_BYTES)
            if content is not None:
                self.files.write(f"trials/{other}/checkpoint.pt", content)

    def checkpoint(self, key: str, most: int = MOST_CHECKPOINT_BYTES) -> bytes | None:
        """The state saved last, or None.

        Raises Damaged where it is not what was saved, or has more than `most` bytes.
        """
        return self._state(f"trials/{key}/checkpoint.pt", most)

    def trained(self, key: str, most: int) -> bytes | None:
        """The state after the last step, or None where it was not kept. Raises Damaged as `checkpoint` does."""
        return self._state(f"trials/{key}/trained.pt", most)

    def with_trained(self) -> set[str]:
        """The keys of the trials whose state after the last step is kept."""
        found = self.files.names_by_folder("trials")
        return {key for key, names in found.items() if "trained.pt" in names}

    def _state(self, path: str, most: int) -> bytes | None:
        content, where = self.content(path, most)
        if content is None:
            return None
        digest, state = content[:32], content[32:]
        if hashlib.sha256(state).digest() != digest:
            raise Damaged(f"{where}: the checksum does not match")
        return state

    def save_error(self, key: str, traceback: str) -> str:
        """Keep the traceback of a failed trial and return where it lies, or why it does not."""
        try:
            return str(self.files.write(f"trials/{key}/error.txt", traceback.encode()))
        except StorageError as error:
            return str(error)

    def save_study(self, record: dict[str, Any]) -> None:
        """Keep a study as it is run: everything that analysis needs besides the trials."""
        self.files.remove_temporary("studies")
        path, content = f"studies/{record['name']}.json", encoded(record)
        with contextlib.suppress(RefusedFile):  # and is replaced
            if self.files.read(path) == content:
                return
        self.files.write(path, content)

    def study(self, name: str) -> dict[str, Any]:
        """A study as last run. Raises Damaged, also where it is missing."""
        content, where = self.content(f"studies/{name}.json", MOST_STUDY_BYTES)
        return {**decoded(content, STUDY, where), "name": name}

    def studies(self) -> list[str]:
        """The names of the studies that were run, in alphabetical order."""
        names = self.files.names("studies")
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def content(self, path: str, most: int) -> tuple[bytes | None, str]:
        """A file's content, None where there is none, and where it lies for what is said of it.

        Raises Damaged where it is no file, or has more than `most` bytes.
        """
        try:
            return self.files.read(path, most), self.files.where(path)
        except RefusedFile as refused:
            raise Damaged(str(refused)) from None


def result_of(key: str, content: bytes | None, where: object) -> dict[str, Any]:
    """The result that a file of this trial holds. Raises Damaged, naming `where`, also where it is another trial's."""
    result = decoded(content, RESULT, where)
    if result["key"] != key:
        raise Damaged(f"{where}: is a copy of the result of {result['key']}")
    return result


def _is_left_over(name: str) -> bool:
    """Whether a file beside a finished trial's is one that a killed process left there."""
    return name in OURS - KEPT or is_temporary(name)


def open_store(given: str | Path | None = None) -> TrialStore:
    """The store given, else the one STUDY_STORAGE names, else ./results."""
    return TrialStore(given or os.environ.get("STUDY_STORAGE") or "results")


def keys_of(record: dict[str, Any]) -> list[str]:
    """The keys of a study's record, arm by arm, each candidate's seeds together; then those of its search."""
    return [key for arm in arms_of(record) for candidate in arm["candidates"] for key in candidate["keys"]]


def arms_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    """A study's arms from its record; then, each as an arm of one trial such as `point 12`, the points that its search
    tried beside them.
    """
    arms: list[dict[str, Any]] = record["arms"]
    if not (searched := searched_keys(record)):
        return arms
    known = {key for arm in arms for candidate in arm["candidates"] for key in candidate["keys"]}
    points: dict[str, dict[str, Any]] = {}
    for label, search in searches_of(record).items():
        for number, one in enumerate(search["suggestions"]):
            candidate = {"overrides": {}, "keys": [one["key"]]}
            name = f"{label} point {number}".strip()
            arm = {"label": name, "overrides": one["values"], "candidates": [candidate]}
            points.setdefault(one["key"], arm)
    return arms + [points[key] for key in searched if key not in known]


def searched_keys(record: dict[str, Any]) -> list[str]:
    """The keys of the trials that a study's searches suggested, each once, as many as their budgets allow."""
    found: dict[str, None] = {}
    for search in searches_of(record).values():
        keys = dict.fromkeys(one["key"] for one in search["suggestions"] if one["key"])
        most = None if search.get("generations") else search["budget"]
        found |= dict.fromkeys(list(keys)[:most])
    return list(found)


def searches_of(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A study's searches by the arms in which they tune; one that makes arms has no label."""
    search, tuning = record.get("search"), record.get("tuning")
    return {"": search} if search else tuning or {}
