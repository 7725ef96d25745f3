"""A trial's curve as a Parquet file that knows when it was damaged."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from study.metric import MOST_SERIES
from study.store.files import reason
from study.store.parquet_foot import Foot, foot_of
from study.store.records import Damaged

STEP = "step"
# Its eight bytes a row are stored as they are, and there are at most MOST_SERIES columns besides: a curve has less
# than four values a byte, however many of them are null.
VALUES_A_BYTE = 4
# Ten million steps of four columns, and then some; each value has eight bytes at most.
MOST_VALUES = 50_000_000
TYPES = {pa.int32(), pa.int64(), pa.float32(), pa.float64()}
# None, and Snappy.
CODECS = {0, 1}


def encoded_curve(columns: dict[str, Any]) -> bytes:
    """Columns as a file, with a checksum of the values in its metadata.

    A column is an array, or an array of numbers and one that says where they are known (the others are null).
    Numbers that float32 holds exactly are stored so.
    """
    table = pa.table({name: _column(values) for name, values in columns.items()})
    buffer = io.BytesIO()
    measured = [name for name in columns if name != STEP]
    pq.write_table(
        table.replace_schema_metadata({b"sha256": _sha256(table)}),
        buffer,
        use_dictionary=measured,
        write_statistics=False,
        compression={name: "NONE" if name == STEP else "SNAPPY" for name in columns},
    )
    return buffer.getvalue()


def _column(values: Any) -> pa.Array:
    if not isinstance(values, tuple):
        return pa.array(values)
    numbers, known = values
    with np.errstate(over="ignore"):
        narrow = numbers.astype(np.float32)
    exact = np.array_equal(narrow.astype(np.float64), numbers, equal_nan=True)
    return pa.array(narrow if exact else numbers, mask=~known)


def decoded_curve(content: bytes | None, where: object) -> pa.Table:
    """What the file holds; None is a missing file. Raises Damaged, naming `where`."""
    if content is None:
        raise Damaged(f"{where}: is missing")
    try:
        _check_size(foot_of(content), len(content))
        # A quarter of read_table's time, which looks for a whole data set.
        file = pq.ParquetFile(pa.BufferReader(content))
        if not TYPES.issuperset(file.schema_arrow.types):  # a text in the foot may name others, such as dates
            raise ValueError("a column is not of numbers")
        table = file.read(use_threads=False)
    except Exception as error:  # Arrow raises whatever its reader stumbles over
        raise Damaged(f"{where}: {reason(error)}") from None
    if (table.schema.metadata or {}).get(b"sha256") != _sha256(table):
        raise Damaged(f"{where}: the checksum does not match")
    return table.replace_schema_metadata()


def checksum(curve: pa.Table) -> str:
    """sha256 (hex) of a curve's columns and values, as its file has it."""
    return _sha256(curve).decode()


def with_steps(curve: pa.Table, where: object) -> pa.Table:
    """The curve, if its steps are whole numbers that ascend. Raises Damaged, naming `where`."""
    steps = curve[STEP].to_numpy() if STEP in curve.column_names else np.empty(0)
    if steps.dtype.kind != "i" or not (len(steps) and steps[0] >= 0 and (steps[1:] > steps[:-1]).all()):
        raise Damaged(f"{where}: its steps are none")
    return curve


def points(curve: pa.Table, name: str, most: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The steps [n] at which the metric `name` was measured and its values [n]; `most` at most, evenly chosen."""
    known = np.flatnonzero(curve[name].is_valid().to_numpy())
    at = known[np.linspace(0, len(known) - 1, min(len(known), most)).round().astype(int)]
    return curve[STEP].to_numpy()[at], curve[name].to_numpy()[at].astype(np.float64)


def _check_size(foot: Foot, size: int) -> None:
    """Raises ValueError where the file, of so many bytes, would become far more in memory than a curve does.

    Snappy makes a page at most about 60 times as large as it was, and a number has eight bytes at most.
    """
    if foot.values > min(MOST_VALUES, VALUES_A_BYTE * size) or (foot.has_steps and 8 * foot.rows > size):
        raise ValueError(f"{foot.rows:,} rows of {foot.columns} columns in {size:,} bytes are no curve")
    if foot.columns > MOST_SERIES + 1:
        raise ValueError(f"has {foot.columns} columns, and a curve {MOST_SERIES + 1} at most")
    if not foot.codecs <= CODECS:
        raise ValueError("is compressed by what no curve is")


def _sha256(table: pa.Table) -> bytes:
    """sha256 (hex) of the columns' names and values."""
    digest = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(f"{name} {column.type} {len(column)} ".encode())
        digest.update(column.to_numpy().tobytes())
        if column.null_count:
            digest.update(column.is_null().to_numpy().tobytes())
    return digest.hexdigest().encode()
