"""TrialStore: where finished trials lie, keyed by what they are, on any filesystem.

    studies/<name>.json           a study as last run: arms, seeds, keys, published, claims
    trials/<key>/curve.parquet    iteration, epoch, train_loss, train_accuracy
    trials/<key>/result.json      config, metrics, provenance; written last: it commits the trial
    trials/<key>/checkpoint.pt    only while unfinished: a sha256 (32 bytes), then Training.state()
    trials/<key>/stopped.json     only if a scheduler stopped the trial early: where and why
    trials/<key>/error.txt        only after a failure: the traceback

Everything is plain data: reading a storage executes nothing. Every file is whole or absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, TypeAdapter, ValidationError
from upath import UPath

from study.config import StudyError
from study.records import DivergedRecord, FinishedRecord, StudyRecord

RESULT: TypeAdapter[Any] = TypeAdapter(
    Annotated[FinishedRecord | DivergedRecord, Field(discriminator="status")]
)
STUDY: TypeAdapter[Any] = TypeAdapter(StudyRecord)


class Damaged(Exception):
    """A file of the store that is not what was written; the message names it."""


class TrialStore:
    """Results and checkpoints under one folder or URL that fsspec knows (`./results`, `s3://...`)."""

    def __init__(self, root: str | Path | UPath) -> None:
        try:
            self.root = UPath(root)
        except (ValueError, ImportError, OSError) as error:
            raise StudyError(
                f"storage {root}: {error}", "Give a folder or a URL such as s3://bucket/results."
            ) from None
        if self.root.protocol in ("", "file"):
            # Workers have other working directories.
            self.root = UPath(Path(str(self.root.path)).absolute())
        try:
            usable = self.root.is_dir() or not self.root.exists()
        except OSError as error:
            raise StudyError(f"storage {root}: {error}") from None
        except ImportError as error:
            raise StudyError(
                f"storage {root}: {error}", "pip install 'study[cluster]' brings S3 and Google's storage."
            ) from None
        if not usable:
            raise StudyError(f"storage {root} is a file, not a folder.", "Name another with --storage.")

    def check_writable(self) -> None:
        """Raises StudyError where the storage can't be written."""
        probe = self.root / f".write-test-{uuid.uuid4().hex}"
        try:
            new = not self.root.exists()
            self.root.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"")
            probe.unlink()
            if new and self.root.protocol in ("", "file"):
                self.root.rmdir()  # the request may still turn out to be wrong
        except OSError as error:
            raise StudyError(
                f"storage {self.root} can't be written: {error.strerror or error}",
                "Name another folder or URL with --storage or STUDY_STORAGE.",
            ) from None

    def finished(self) -> set[str]:
        """The keys of all committed trials."""
        return {path.parent.name for path in self.root.glob("trials/*/result.json")}

    def has(self, key: str) -> bool:
        """Whether this trial is committed."""
        return (self._trial(key) / "result.json").exists()

    def interrupted(self) -> set[str]:
        """The keys of all trials with a checkpoint to go on from."""
        return {path.parent.name for path in self.root.glob("trials/*/checkpoint.pt")}

    def stopped(self) -> set[str]:
        """The keys of all trials that a scheduler stopped before their end."""
        return {path.parent.name for path in self.root.glob("trials/*/stopped.json")} - self.finished()

    def save_stopped(self, key: str, why: dict[str, Any]) -> None:
        """Record that a scheduler stopped the trial; it is not finished, and its checkpoint stays."""
        self._write(self._trial(key) / "stopped.json", _json(why))

    def forget_stopped(self, key: str) -> None:
        """The trial goes on."""
        self._remove(self._trial(key) / "stopped.json")

    def result(self, key: str) -> dict[str, Any]:
        """The trial's result. Raises Damaged, also where it is missing or incomplete."""
        path = self._trial(key) / "result.json"
        result = _read(path, RESULT)
        if result["key"] != key:
            raise Damaged(f"{path}: is a copy of the result of {result['key']}")
        return result

    def curve(self, key: str) -> pa.Table:
        """The trial's iterations. Raises Damaged, also where it is missing."""
        path = self._trial(key) / "curve.parquet"
        try:
            return pq.read_table(io.BytesIO(path.read_bytes()))
        except (OSError, pa.ArrowException) as error:
            raise Damaged(f"{path}: {error}") from None

    def commit(self, key: str, curve: dict[str, Any], result: dict[str, Any]) -> None:
        """Write a finished trial: first the curve (column -> array), then the result that makes it count."""
        buffer = io.BytesIO()
        pq.write_table(pa.table(curve), buffer)
        self._write(self._trial(key) / "curve.parquet", buffer.getvalue())
        self._write(self._trial(key) / "result.json", _json({"key": key, **result}))
        for path in self._trial(key).iterdir():  # what a killed process left half written, too
            if path.name not in ("curve.parquet", "result.json"):
                self._remove(path)

    def remove(self, key: str) -> None:
        """Forget a trial; the result goes first, so that half a removal is an unfinished trial."""
        self._remove(self._trial(key) / "result.json")
        for path in [*self._trial(key).glob("*")]:
            self._remove(path)

    def save_checkpoint(self, key: str, state: bytes) -> None:
        """Keep an unfinished trial's state, in place of an older one."""
        self._write(self._trial(key) / "checkpoint.pt", hashlib.sha256(state).digest() + state)

    def checkpoint(self, key: str) -> bytes | None:
        """The state saved last, or None. Raises Damaged where it is not what was saved."""
        path = self._trial(key) / "checkpoint.pt"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        digest, state = content[:32], content[32:]
        if hashlib.sha256(state).digest() != digest:
            raise Damaged(f"{path}: the checksum does not match")
        return state

    def save_error(self, key: str, traceback: str) -> str:
        """Keep the traceback of a failed trial and return where it lies."""
        path = self._trial(key) / "error.txt"
        self._write(path, traceback.encode())
        return str(path)

    def save_study(self, record: dict[str, Any]) -> None:
        """Keep a study as it is run: everything that analysis needs besides the trials."""
        path, content = self.root / "studies" / f"{record['name']}.json", _json(record)
        # Left alone where nothing changed, so that its time says when it last did.
        if not path.exists() or path.read_bytes() != content:
            self._write(path, content)

    def study(self, name: str) -> dict[str, Any]:
        """A study as last run. Raises Damaged, also where it is missing."""
        return {**_read(self.root / "studies" / f"{name}.json", STUDY), "name": name}

    def studies(self) -> list[str]:
        """The names of the studies that were run, in alphabetical order."""
        return sorted(path.stem for path in self.root.glob("studies/*.json"))

    def unchanged_since(self, study: str, made: Collection[UPath]) -> bool:
        """Whether these files were made after everything the store now holds of the study."""
        sources = [self.root / "studies" / f"{study}.json"]
        sources += [self._trial(key) / "result.json" for key in keys_of(self.study(study))]
        times = [path.stat().st_mtime for path in made if path.exists()]
        newest = max(path.stat().st_mtime for path in sources if path.exists())
        return len(times) == len(made) and min(times) >= newest

    def _trial(self, key: str) -> UPath:
        return self.root / "trials" / key

    def _write(self, path: UPath, content: bytes) -> None:
        """Write so that the file is whole or absent after any crash: to a temporary name, flushed, renamed.

        An object store's put is atomic by itself.
        """
        if path.protocol not in ("", "file"):
            path.write_bytes(content)
            return
        final = Path(path.path)
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(final)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _remove(self, path: UPath) -> None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def open_store(given: str | Path | None = None) -> TrialStore:
    """The store given, else the one STUDY_STORAGE names, else ./results."""
    return TrialStore(given or os.environ.get("STUDY_STORAGE") or "results")


def keys_of(record: dict[str, Any]) -> list[str]:
    """The keys of a study's record, arm by arm, each candidate's seeds together."""
    return [key for arm in record["arms"] for candidate in arm["candidates"] for key in candidate["keys"]]


def _read(path: UPath, kind: TypeAdapter[Any]) -> dict[str, Any]:
    """A JSON file that says what this kind must. Raises Damaged."""
    try:
        content = path.read_bytes()
        kind.validate_json(content)
    except OSError as error:
        raise Damaged(f"{path}: {error.strerror or error}") from None
    except StudyError as error:  # of a claim
        raise Damaged(f"{path}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Damaged(f"{path}: {where}{': ' if where else ''}{first['msg']}") from None
    value: dict[str, Any] = json.loads(content)
    return value


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
