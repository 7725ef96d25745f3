"""A storage's finished trials as two Parquet files, to be committed or handed on, and a storage made of them again.

    results.parquet   path, content: each study's record and each trial's result, the text of its file
                      columns, sha256: of a trial, the names of its curve's columns in their order, and its checksum
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
from study.store.curve_file import STEP, checksum, decoded_curve, encoded_curve
from study.store.files import RefusedFile, reason
from study.store.records import STUDY, Damaged, allowed_names, decoded
from study.store.trial_store import (
    MOST_CURVE_BYTES,
    MOST_RESULT_BYTES,
    MOST_STUDY_BYTES,
    TrialStore,
    keys_of,
    result_of,
)

RESULTS, CURVES = "results.parquet", "curves.parquet"
TRIAL = re.compile(r"trials/(?!\.)([\w.+=, -]{1,200})/result\.json")
RECORD = re.compile(r"studies/([^/]+)\.json")
TEXTS = pa.list_(pa.string())
FIELDS = pa.schema(
    [("path", pa.string()), ("content", pa.string()), ("columns", TEXTS), ("sha256", pa.string())]
)
# Rows of curves that are written, and read, together; what they may become in memory, and all results.
ROWS, MOST_BYTES = 500_000, 4 * 1024**3


@dataclass
class Packed:
    """How many studies and trials went into the files or the storage, and what was left out, with the reason."""

    studies: int = 0
    trials: int = 0
    left_out: list[str] = field(default_factory=list)


def pack(store: TrialStore, names: Iterable[str], folder: Path) -> Packed:
    """Write the records of these studies and their trials that ended into two files of the folder.

    Both are replaced together, when they are whole. Raises StudyError where they can't be written.
    """
    done, rows, curves = Packed(), [], {}
    keys: set[str] = set()
    for name in sorted(names):
        path = f"studies/{name}.json"
        try:
            content, where = store.content(path, MOST_STUDY_BYTES)
            keys.update(keys_of(decoded(content, STUDY, where)))
        except Damaged as damage:
            done.left_out.append(str(damage))
            continue
        rows.append({"path": path, "content": _text(content)})
        done.studies += 1
    for key in sorted(keys & store.states().finished):
        path = f"trials/{key}/result.json"
        try:
            content, where = store.content(path, MOST_RESULT_BYTES)
            result_of(key, content, where)
            curve = decoded_curve(*store.content(f"trials/{key}/curve.parquet", MOST_CURVE_BYTES))
            if STEP not in curve.column_names:
                raise Damaged(f"{where}: is of study 0.1, and is not packed")
        except Damaged as damage:
            done.left_out.append(str(damage))
            continue
        of_curve = {"columns": curve.column_names, "sha256": checksum(curve)}
        rows.append({"path": path, "content": _text(content), **of_curve})
        curves[key] = curve
        done.trials += 1
    if sum(len(row["content"]) for row in rows) > MOST_BYTES:
        raise StudyError(
            f"These studies have more than {MOST_BYTES:,} bytes of results.", "Pack some of them."
        )
    _write(rows, curves, folder)
    return done


def _text(content: bytes | None) -> str:
    return (content or b"").decode()


def _write(rows: list[dict[str, Any]], curves: dict[str, pa.Table], folder: Path) -> None:
    new = {name: folder / f".{name}.new" for name in (CURVES, RESULTS)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            pq.write_table(pa.Table.from_pylist(rows, FIELDS), new[RESULTS], compression="zstd")
            _write_curves(curves, new[CURVES])
            for name, path in new.items():
                path.replace(folder / name)
        finally:
            for path in new.values():
                path.unlink(missing_ok=True)
    except OSError as error:
        raise StudyError(f"{folder} can't be written: {reason(error)}") from None


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

    A study's record is written when its trials are. Raises StudyError where the files can't be read.
    """
    done, studies, trials = Packed(), [], {}
    curves = _opened(folder / CURVES, ["key", STEP])
    for row in _results(folder / RESULTS):
        path, content = row["path"], row["content"].encode()
        try:
            if of_study := RECORD.fullmatch(path):
                if refused := allowed_names([of_study[1]], store.root)[1]:
                    raise Damaged(refused[0])
                decoded(content, STUDY, path)
                studies.append((path, content))
            elif of_trial := TRIAL.fullmatch(path):
                result_of(of_trial[1], content, path)
                if not store.has(of_trial[1]):
                    trials[of_trial[1]] = content, row["columns"] or [], row["sha256"]
            else:
                raise Damaged(f"{path!r}: is no file of a storage")
        except (Damaged, RefusedFile) as damage:
            done.left_out.append(str(damage))
    for key, rows in _curves(curves, folder / CURVES):
        if key not in trials:
            continue
        content, columns, sha256 = trials.pop(key)
        try:
            curve = encoded_curve({name: _column(rows, name) for name in columns})
            if checksum(decoded_curve(curve, key)) != sha256:
                raise Damaged("its curve is not the one that was packed")
            store.files.write(f"trials/{key}/curve.parquet", curve)
            store.files.write(f"trials/{key}/result.json", content)
        except (Damaged, RefusedFile, KeyError, ValueError) as error:
            done.left_out.append(f"{key}: {error}")
            continue
        done.trials += 1
    done.left_out += [f"{key}: has no curve" for key in trials]
    for path, content in studies:
        there = store.files.read(path, MOST_STUDY_BYTES)
        if there is None:
            store.files.write(path, content)
            done.studies += 1
        elif there != content:
            done.left_out.append(f"{store.files.where(path)}: is another one, and stays")
    return done


def _column(rows: pa.Table, name: str) -> Any:
    """As `encoded_curve` takes it."""
    column = rows[name]
    if name == STEP:
        return column.to_numpy()
    known = column.is_valid().to_numpy()
    return np.where(known, column.fill_null(0.0).to_numpy(), np.nan), known


def _opened(path: Path, needed: list[str]) -> pq.ParquetFile:
    """A file with columns of these kinds. Raises StudyError where it is no such file."""
    try:
        found = {of.name: of.type for of in pq.read_schema(path)}
        wrong = [name for name in needed if name not in found]
        for name, kind in found.items():
            expected = FIELDS.field(name).type if name in FIELDS.names else pa.float64()
            expected = {"key": pa.string(), STEP: pa.int64()}.get(name, expected)
            wrong += [name] if kind != expected else []
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no such column")
        # Texts stay numbers and what they stand for: a small file may repeat a large one many times.
        return pq.ParquetFile(path, read_dictionary=[name for name, of in found.items() if of == pa.string()])
    except Exception as error:  # Arrow raises whatever its reader stumbles over
        raise StudyError(
            f"{path} can't be read: {reason(error)}", "Name a folder that study pack wrote."
        ) from None


def _parts(file: pq.ParquetFile, path: Path) -> Iterator[pa.Table]:
    """A file's groups of rows, texts as numbers and what they stand for. Raises StudyError where one is too large."""
    for i in range(file.num_row_groups):
        about = file.metadata.row_group(i)
        if 8 * about.num_rows * about.num_columns > MOST_BYTES or about.total_byte_size > MOST_BYTES:
            raise StudyError(f"{path} can't be read: {about.num_rows:,} rows together are too many")
        try:
            yield file.read_row_group(i, use_threads=False).unify_dictionaries()
        except Exception as error:
            raise StudyError(f"{path} can't be read: {reason(error)}") from None


def _results(path: Path) -> Iterator[dict[str, Any]]:
    read = 0
    for part in _parts(_opened(path, FIELDS.names), path):
        for i in range(len(part)):
            row = {name: part[name][i].as_py() for name in FIELDS.names}
            read += len(row["content"] or "")
            if row["path"] is None or row["content"] is None or read > MOST_BYTES:
                raise StudyError(f"{path} can't be read: row {i:,} has no content, or there is too much")
            yield row


def _curves(file: pq.ParquetFile, path: Path) -> Iterator[tuple[str, pa.Table]]:
    """Each trial's rows, which stand together, in one group of rows or across two."""
    held: pa.Table | None = None
    for part in _parts(file, path):
        rows = pa.concat_tables([held, part]).unify_dictionaries() if held is not None else part
        if not len(rows):
            continue
        keys = rows["key"].combine_chunks()
        places = keys.indices.fill_null(-1).to_numpy()
        starts = np.flatnonzero(np.r_[True, places[1:] != places[:-1]])
        for start, end in itertools.pairwise(starts):
            yield str(keys[start].as_py()), rows.slice(start, end - start)
        held = rows.slice(starts[-1])
    if held is not None:
        yield str(held["key"][0].as_py()), held
