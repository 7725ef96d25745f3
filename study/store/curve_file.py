"""A trial's curve as a Parquet file that knows when it was damaged."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from study.store.files import reason
from study.store.records import Damaged

# The counts of steps alone take more than a byte a row: a curve of four columns, however its losses repeat
# themselves, has less than one value a byte.
VALUES_A_BYTE = 4
# Ten million steps of four columns, and then some; each value has eight bytes at most.
MOST_VALUES = 50_000_000
# The foot of ten million steps has about four thousand bytes. Arrow takes hundreds for each of them.
MOST_FOOT_BYTES = 64 * 1024
COMPRESSIONS = {"SNAPPY", "UNCOMPRESSED"}


def encoded_curve(columns: dict[str, Any]) -> bytes:
    """Column -> array as a file, with a checksum of the values in its metadata."""
    table = pa.table(columns)
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({b"sha256": _sha256(table)}), buffer)
    return buffer.getvalue()


def decoded_curve(content: bytes | None, where: object) -> pa.Table:
    """What the file holds; None is a missing file. Raises Damaged, naming `where`."""
    if content is None:
        raise Damaged(f"{where}: is missing")
    try:
        if int.from_bytes(content[-8:-4], "little") > MOST_FOOT_BYTES:
            raise ValueError("its foot is no curve's")
        # A quarter of read_table's time, which looks for a whole data set.
        file = pq.ParquetFile(pa.BufferReader(content))
        _check_size(file, len(content))
        table = file.read(use_threads=False)
    except Exception as error:  # Arrow raises whatever its reader stumbles over
        raise Damaged(f"{where}: {reason(error)}") from None
    if (table.schema.metadata or {}).get(b"sha256") != _sha256(table):
        raise Damaged(f"{where}: the checksum does not match")
    return table.replace_schema_metadata()


def _check_size(file: pq.ParquetFile, size: int) -> None:
    """Raises ValueError where the file, of so many bytes, would become far more in memory than a curve does.

    Its footer says how many values there are, for each part of it too. Snappy makes a page at most about 30
    times as large as it was, and a number has eight bytes at most.
    """
    footer = file.metadata
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    # Arrow ends the process where a group has a column that the whole does not have.
    if footer.num_columns < 1 or any(group.num_columns != footer.num_columns for group in groups):
        raise ValueError("its parts have other columns than it has")
    schema = file.schema_arrow
    if not all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in schema.types):
        raise ValueError("a column is not of numbers")
    columns = [(group.num_rows, group.column(i)) for group in groups for i in range(group.num_columns)]
    values = sum(column.num_values for _, column in columns)
    if any(rows != column.num_values for rows, column in columns) or values != footer.num_rows * len(schema):
        raise ValueError("its parts have other numbers of rows than it has")
    if values > min(MOST_VALUES, VALUES_A_BYTE * size):
        raise ValueError(f"{footer.num_rows:,} rows of {len(schema)} columns in {size:,} bytes are no curve")
    if other := {column.compression for _, column in columns} - COMPRESSIONS:
        raise ValueError(f"is compressed by {', '.join(sorted(other))}")


def _sha256(table: pa.Table) -> bytes:
    """sha256 (hex) of the columns' names and values."""
    digest = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(f"{name} {column.type} {len(column)} ".encode())
        digest.update(column.to_numpy().tobytes())
    return digest.hexdigest().encode()
