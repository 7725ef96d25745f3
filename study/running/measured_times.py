"""What `study plan --measure` found, kept in the storage, so that the run after it knows it from its first second.

A file measured/<digest>.json for each kind of trial on each kind of machine.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, NamedTuple

from pydantic import Field, TypeAdapter

from study.store.fields import Count, Label, Overrides
from study.store.files import StorageError
from study.store.records import Damaged, FileRecord, decoded, encoded
from study.store.trial_store import MOST_RESULT_BYTES, TrialStore


class Takes(NamedTuple):
    """What a trial takes: seconds of training, and bytes of its result and curve in the storage."""

    seconds: float
    disk_bytes: int


class MeasuredRecord(FileRecord):
    """measured/<digest>.json: what trials take that differ in nothing but their seed."""

    training: Label
    config: Overrides
    data: Label
    threads: Count
    device: Label
    cpu: Label
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    disk_bytes: Count


FOLDER = "measured"
MEASURED: TypeAdapter[Any] = TypeAdapter(MeasuredRecord)


def remember(store: TrialStore, kind: dict[str, Any], takes: Takes) -> None:
    """Keep what trials of this kind, which is the record's other fields, take. Raises StorageError."""
    store.files.write(_path(kind), encoded({**kind, **takes._asdict()}))


def names(store: TrialStore) -> set[str]:
    """Those of the files that are kept, for `remembered`."""
    try:
        return set(store.files.names(FOLDER))
    except StorageError:  # the run itself says so
        return set()


def remembered(store: TrialStore, kind: dict[str, Any], kept: set[str]) -> Takes | None:
    """What was kept of trials of this kind, if its file is among these names; None also where it can't be read, since
    it can be measured again.
    """
    if _name(kind) not in kept:
        return None
    try:
        content, where = store.content(_path(kind), MOST_RESULT_BYTES)
        record = decoded(content, MEASURED, where)
    except (Damaged, StorageError):
        return None
    return Takes(record["seconds"], record["disk_bytes"])


def _path(kind: dict[str, Any]) -> str:
    return f"{FOLDER}/{_name(kind)}"


def _name(kind: dict[str, Any]) -> str:
    return f"{hashlib.sha256(json.dumps(kind, sort_keys=True).encode()).hexdigest()}.json"
