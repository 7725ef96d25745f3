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
        foot = _Reader(content[-8 - size : -8]).struct(0)
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


class _Reader:
    """Reads one struct after the other; what it makes is bounded by the bytes there are."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def struct(self, depth: int) -> dict[int, Any]:
        """Field number -> value."""
        if depth > MOST_DEPTH:
            raise ValueError("its foot nests too deep")
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            kind = head & 15
            field = field + (head >> 4) if head >> 4 else self._signed()
            found[field] = kind == TRUE if kind in (TRUE, FALSE) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (I16, I32, I64):
            return self._signed()
        if kind == BYTE:
            return self._byte()
        if kind == DOUBLE:
            return self._bytes(8)
        if kind == BINARY:
            return self._bytes(self._unsigned())
        if kind == LIST:
            head = self._byte()
            size = self._unsigned() if head >> 4 == 15 else head >> 4
            if size > len(self._content) - self._at:  # each has a byte at least
                raise ValueError("a list in its foot is longer than the foot")
            inner = head & 15
            if inner in (TRUE, FALSE):
                return [self._byte() for _ in range(size)]
            return [self._value(inner, depth + 1) for _ in range(size)]
        if kind == STRUCT:
            return self.struct(depth + 1)
        raise ValueError(f"its foot has a value of kind {kind}")

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _bytes(self, n: int) -> bytes:
        if n > len(self._content) - self._at:
            raise ValueError("a text in its foot is longer than the foot")
        self._at += n
        return self._content[self._at - n : self._at]

    def _unsigned(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
            if shift > 63:
                raise ValueError("a number in its foot is too large")

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)
