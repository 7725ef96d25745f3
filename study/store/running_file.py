"""trials/<key>/running.json: how far a trial is that is trained right now, for whoever watches it.

It is written about once a second (every ten to an object store) and removed when the attempt ends. A process that was
killed leaves it behind; then it is not written any more, by which that is known.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, TypeAdapter

from study.store.fields import MOST_NUMBERS, Count, Label, Overrides, Record, Values
from study.store.files import StorageError
from study.store.records import Damaged, FileRecord, decoded, encoded
from study.store.trial_store import READERS, TrialStore

MOST_BYTES = 4 * 1024**2
# Clocks of machines differ, and a machine may be busy.
PATIENCE_SECONDS = 15.0


class SeriesRecord(Record):
    """Some points of a metric's series, the newest among them."""

    steps: list[Count]
    values: list[float]


class MachineRecord(Record):
    """What of the trial's machine is in use by whatever runs there: memory in bytes, `busy` in cores.

    `gpu_busy` is a share of the time; what of a GPU is not known is absent.
    """

    busy: float
    cores: float
    memory_used: float
    memory: float
    gpu_busy: float | None = None
    gpu_memory_used: float | None = None
    gpu_memory: float | None = None


class RunningRecord(FileRecord):
    """`seconds` of training so far, `rate` in what the training counts a second, `metrics` what each counts as so far.

    `updated` says when it was written, `again_within` in how many seconds it will be again; `steps` is None where the
    training does not know. `shared` is what the trial has of its machine.
    """

    key: str
    training: Label
    config: Overrides
    seed: Count
    started: Annotated[AwareDatetime, Field(strict=False)]
    updated: Annotated[AwareDatetime, Field(strict=False)]
    again_within: float
    step: Count
    steps: Count | None
    percent: float
    resumed_at: Count
    seconds: float
    rate: float
    counts: Label
    node: Label
    device: Label
    threads: Count
    gpus: float
    machine: MachineRecord | None = None
    notes: list[Label]
    metrics: Values
    series: Annotated[dict[Label, SeriesRecord], Field(max_length=MOST_NUMBERS)]


RUNNING: TypeAdapter[Any] = TypeAdapter(RunningRecord)


def write(store: TrialStore, key: str, said: Mapping[str, Any]) -> None:
    """Say how far the trial is. Raises StorageError where it can't be written."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    store.files.write(_path(key), encoded({"key": key, "updated": now, **said}))


def forget(store: TrialStore, key: str) -> None:
    """The trial is not trained any more. What can't be removed ages."""
    with contextlib.suppress(StorageError):
        store.files.remove(_path(key))


def running(store: TrialStore, keys: Iterable[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Of these trials, what those that are trained right now say, by key; and which can't be read."""
    problems: list[str] = []

    def read(key: str) -> dict[str, Any] | None:
        try:
            content = store.files.read(_path(key), MOST_BYTES)
            return None if content is None else decoded(content, RUNNING, store.files.where(_path(key)))
        except (Damaged, StorageError) as problem:
            problems.append(str(problem))
            return None

    wanted = list(keys)
    with ThreadPoolExecutor(READERS) as threads:
        found = dict(zip(wanted, threads.map(read, wanted), strict=True))
    return {key: said for key, said in found.items() if said is not None and _is_alive(said)}, problems


def _is_alive(said: Mapping[str, Any]) -> bool:
    patience = timedelta(seconds=3 * said["again_within"] + PATIENCE_SECONDS)
    return datetime.now(UTC) - datetime.fromisoformat(said["updated"]) <= patience


def _path(key: str) -> str:
    return f"trials/{key}/running.json"
