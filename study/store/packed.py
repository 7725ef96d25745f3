"""A storage's finished trials as two Parquet files, to be committed or handed on, and a storage made of them again.

    results.parquet   path, content: each study's record and each trial's result, the text of its file
                      columns: the names of a trial's curve in their order
    curves.parquet    key, step, and a column for each metric of any trial, null where it was not measured

Both can be read by other programs; what is made of them again are the files that were packed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from study.errors import StudyError
from study.store.curve_file import STEP, decoded_curve, encoded_curve, with_steps
from study.store.files import reason
from study.store.records import RESULT, STUDY, Damaged, allowed_names, decoded
from study.store.trial_store import MOST_CURVE_BYTES, MOST_RESULT_BYTES, MOST_STUDY_BYTES, TrialStore, keys_of

RESULTS, CURVES = "results.parquet", "curves.parquet"
KEY = r"[\w.+=, -]{1,200}"
FIELDS = pa.schema([("path", pa.string()), ("content", pa.string()), ("columns", pa.list_(pa.string()))])
# Rows that are written together, and rows that are read of a file that may be anything.
ROWS, MOST_ROWS = 500_000, 500_000_000
# What a file may become in memory.
MOST_BYTES = 4 * 1024**3


@dataclass
class Packed:
    """How many studies and trials went into the files or the storage, and what was left out, with the reason."""

    studies: int = 0
    trials: int = 0
    left_out: list[str] = field(default_factory=list)


def pack(store: TrialStore, names: Iterable[str], folder: Path) -> Packed:
    """Write the records of these studies and their trials that ended into two files of the folder.

    Raises StudyError where they can't be written.
    """
    done, rows, curves = Packed(), [], {}
    keys: dict[str, None] = {}
    for name in sorted(names):
        path = f"studies/{name}.json"
        try:
            content, where = store.files.read(path, MOST_STUDY_BYTES), store.files.where(path)
            keys |= dict.fromkeys(keys_of(decoded(content, STUDY, where)))
        except Damaged as damage:
            done.left_out.append(str(damage))
            continue
        rows.append({"path": path, "content": _text(content), "columns": None})
        done.studies += 1
    finished = store.states().finished
    for key in sorted(keys.keys() & finished):
        path, at = f"trials/{key}/result.json", f"trials/{key}/curve.parquet"
        try:
            content = store.files.read(path, MOST_RESULT_BYTES)
            decoded(content, RESULT, store.files.where(path))
            where = store.files.where(at)
            curve = with_steps(decoded_curve(store.files.read(at, MOST_CURVE_BYTES), where), where)
        except Damaged as damage:
            done.left_out.append(str(damage))
            continue
        rows.append({"path": path, "content": _text(content), "columns": curve.column_names})
        curves[key] = curve
        done.trials += 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, FIELDS), folder / RESULTS, compression="zstd")
        _write_curves(curves, folder / CURVES)
    except OSError as error:
        raise StudyError(f"{folder} can't be written: {reason(error)}") from None
    return done


def _text(content: bytes | None) -> str:
    return (content or b"").decode()


def _write_curves(curves: dict[str, pa.Table], path: Path) -> None:
    metrics = sorted({name for curve in curves.values() for name in curve.column_names} - {STEP})
    schema = pa.schema(
        [("key", pa.string()), (STEP, pa.int64()), *((name, pa.float64()) for name in metrics)]
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        waiting: list[pa.Table] = []
        for key, curve in curves.items():
            n = len(curve)
            columns = [pa.array([key] * n), curve[STEP].cast(pa.int64())]
            columns += [curve[name].cast(pa.float64()) if name in curve.column_names else pa.nulls(n, pa.float64())
                        for name in metrics]  # fmt: skip
            waiting.append(pa.table(columns, schema=schema))
            if sum(map(len, waiting)) > ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


def unpack(folder: Path, store: TrialStore) -> Packed:
    """Add to the storage what the files of this folder hold and it lacks; what it has stays as it is.

    Raises StudyError where the files can't be read; nothing has been written then.
    """
    done, results = Packed(), {}
    for path, content, columns in _results(folder / RESULTS):
        kind, _, name = path.partition("/")
        try:
            if kind == "studies":
                _add_study(store, path, content, done)
            elif kind == "trials" and re.fullmatch(KEY, key := name.removesuffix("/result.json")):
                if decoded(content, RESULT, path)["key"] == key and not store.has(key):
                    results[key] = content, columns
            else:
                done.left_out.append(f"{path!r}: is no file of a storage")
        except Damaged as damage:
            done.left_out.append(str(damage))
    for key, rows in _curves(folder / CURVES):
        if key not in results:
            continue
        content, columns = results.pop(key)
        try:
            curve = encoded_curve({name: _column(rows, name) for name in columns})
            with_steps(decoded_curve(curve, key), key)
        except (Damaged, KeyError, ValueError) as error:
            done.left_out.append(f"{key}: {error}")
            continue
        store.files.write(f"trials/{key}/curve.parquet", curve)
        store.files.write(f"trials/{key}/result.json", content)
        done.trials += 1
    done.left_out += [f"{key}: has no curve" for key in results]
    return done


def _add_study(store: TrialStore, path: str, content: bytes, done: Packed) -> None:
    name = path.removeprefix("studies/").removesuffix(".json")
    _, refused = allowed_names([name], store.root)
    if refused:
        done.left_out += refused
        return
    decoded(content, STUDY, path)
    there = store.files.read(path, MOST_STUDY_BYTES)
    if there is None:
        store.files.write(path, content)
        done.studies += 1
    elif there != content:
        done.left_out.append(f"{store.files.where(path)}: is another one, and stays")


def _column(rows: pa.Table, name: str) -> Any:
    """As `encoded_curve` takes it."""
    column = rows[name]
    if name == STEP:
        return column.to_numpy()
    known = column.is_valid().to_numpy()
    return np.where(known, column.fill_null(0.0).to_numpy(), np.nan), known


def _results(path: Path) -> list[tuple[str, bytes, list[str]]]:
    table = pa.concat_tables(_parts(path, FIELDS.names))
    return [(row["path"], row["content"].encode(), row["columns"] or []) for row in table.to_pylist()]


def _curves(path: Path) -> Iterator[tuple[str, pa.Table]]:
    """Each trial's rows, which stand together, in one group of rows or across two."""
    held: pa.Table | None = None
    for part in _parts(path, ["key", STEP]):
        rows = pa.concat_tables([held, part]) if held is not None else part
        keys = rows["key"].to_numpy(zero_copy_only=False)
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: len(keys)])
        for start, end in itertools.pairwise(starts):
            yield str(keys[start]), rows.slice(start, end - start)
        held = rows.slice(starts[-1]) if len(starts) else None
    if held is not None:
        yield str(held["key"][0]), held


def _parts(path: Path, needed: list[str]) -> Iterator[pa.Table]:
    """A file's groups of rows. Raises StudyError where it is no such file."""
    try:
        file = pq.ParquetFile(path)
        about = file.metadata
        size = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
        if about.num_rows > MOST_ROWS or size > MOST_BYTES:
            raise ValueError(f"{about.num_rows:,} rows of {size:,} bytes are too many")
        if missing := [name for name in needed if name not in file.schema_arrow.names]:
            raise ValueError(f"it has no column {missing[0]!r}")
        for i in range(about.num_row_groups):
            yield file.read_row_group(i)
    except Exception as error:  # Arrow raises whatever its reader stumbles over
        raise StudyError(
            f"{path} can't be read: {reason(error)}", "Name a folder that study pack wrote."
        ) from None
