"""What the foot of a Parquet file says of its size, read by a strict little reader of our own.

Arrow allocates whatever a list in a foot claims to hold, and some of its functions end the process where a foot is
wrong. So ours is asked first: a foot is Thrift's compact encoding of numbers, texts, lists and structs
(https://parquet.apache.org/docs/file-format/metadata).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# A foot's own length, which stands before the last four bytes of the file.
MOST_BYTES = 64 * 1024
MOST_DEPTH = 16
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 12
# The kinds of numbers that a curve has: INT32, INT64, FLOAT, DOUBLE.
NUMBERS = {1, 2, 4, 5}
REPEATED = 2
# By the field's number in the structs of parquet.thrift.
SCHEMA, ROWS, GROUPS = 2, 3, 4
KIND, REPETITION, NAME, CHILDREN = 1, 3, 4, 5
COLUMNS, ROWS_OF_GROUP = 1, 3
META_DATA = 3
CODEC, VALUES = 4, 5


@dataclass(frozen=True)
class Foot:
    """How many rows and columns, the sum of values over all columns, and the codecs that compress them."""

    rows: int
    columns: int
    values: int
    codecs: frozenset[int]


def foot_of(content: bytes) -> Foot:
    """The foot of a file of flat columns of numbers. Raises ValueError where it is another one, or lies of itself."""
    size = int.from_bytes(content[-8:-4], "little")
    if content[-4:] != b"PAR1" or not 0 < size <= min(MOST_BYTES, len(content) - 12):
        raise ValueError("its foot is no curve's")
    try:
        foot, _ = _struct(content[-8 - size : -8], 0, 0)
        root, *schema = foot[SCHEMA]
        groups = foot[GROUPS]
        if root[CHILDREN] != len(schema) or any(
            CHILDREN in one or one[KIND] not in NUMBERS for one in schema
        ):
            raise ValueError("a column is not of numbers")
        if any(one.get(REPETITION) == REPEATED for one in schema):
            raise ValueError("a column has several numbers a row")
        if not schema or any(len(group[COLUMNS]) != len(schema) for group in groups):
            raise ValueError("its parts have other columns than it has")
        parts = [(group[ROWS_OF_GROUP], one[META_DATA]) for group in groups for one in group[COLUMNS]]
        values = sum(part[VALUES] for _, part in parts)
        if any(rows != part[VALUES] or rows < 0 for rows, part in parts) or values != foot[ROWS] * len(
            schema
        ):
            raise ValueError("its parts have other numbers of rows than it has")
        return Foot(foot[ROWS], len(schema), values, frozenset(part[CODEC] for _, part in parts))
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"its foot is damaged: {error!r}") from None


# Each reads from the place `at` on, and gives what it read and the place after it. What they make is bounded by the
# bytes there are. Functions rather than a class: they take half of its time, a third of reading a small curve.


def _struct(content: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    """Field number -> value."""
    if depth > MOST_DEPTH:
        raise ValueError("its foot nests too deep")
    found: dict[int, Any] = {}
    field = 0
    while head := content[at]:
        at += 1
        kind = head & 15
        if head >> 4:
            field += head >> 4
        else:
            field, at = _signed(content, at)
        if kind in (TRUE, FALSE):
            found[field] = kind == TRUE
        else:
            found[field], at = _value(content, at, kind, depth)
    return found, at + 1


def _value(content: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (I16, I32, I64):
        return _signed(content, at)
    if kind == BYTE:
        return content[at], at + 1
    if kind == STRUCT:
        return _struct(content, at, depth + 1)
    if kind == LIST:
        return _list(content, at, depth)
    if kind == BINARY:
        size, at = _unsigned(content, at)
    elif kind == DOUBLE:
        size = 8
    else:
        raise ValueError(f"its foot has a value of kind {kind}")
    if size > len(content) - at:
        raise ValueError("a text in its foot is longer than the foot")
    return content[at : at + size], at + size


def _list(content: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    head = content[at]
    size, at = _unsigned(content, at + 1) if head >> 4 == 15 else (head >> 4, at + 1)
    if size > len(content) - at:  # each has a byte at least
        raise ValueError("a list in its foot is longer than the foot")
    kind = BYTE if head & 15 in (TRUE, FALSE) else head & 15
    found = []
    for _ in range(size):
        one, at = _value(content, at, kind, depth + 1)
        found.append(one)
    return found, at


def _unsigned(content: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while (byte := content[at]) > 127:
        number |= (byte & 127) << shift
        shift += 7
        at += 1
        if shift > 63:
            raise ValueError("a number in its foot is too large")
    return number | byte << shift, at + 1


def _signed(content: bytes, at: int) -> tuple[int, int]:
    byte = content[at]
    number, at = (byte, at + 1) if byte < 128 else _unsigned(content, at)
    return (number >> 1) ^ -(number & 1), at
