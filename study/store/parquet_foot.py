"""What the foot of a Parquet file says of its size, read by a strict little reader of our own.

Arrow allocates whatever a list in a foot claims to hold, and some of its functions end the process where a foot is
wrong. So ours is asked first: a foot is Thrift's compact encoding of numbers, texts, lists and structs
(https://parquet.apache.org/docs/file-format/metadata, and parquet.thrift for the fields of each). Arrow skips a field
of another type and takes the second of two; so that both read the same, ours refuses everything but the fields that a
curve's foot has, each of its type, in ascending order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# A foot's own length, which stands before the last four bytes of the file.
MOST_BYTES = 64 * 1024
# The rows of a part, as Arrow writes them.
MOST_ROWS_OF_GROUP = 1024 * 1024
TRUE, FALSE, I16, I32, I64, BINARY, LIST, STRUCT = 1, 2, 4, 5, 6, 8, 9, 12
BITS = {I16: 16, I32: 32, I64: 64}
# The kinds of numbers that a curve has: INT32, INT64, FLOAT, DOUBLE.
NUMBERS = {1, 2, 4, 5}
REPEATED = 2

# The fields of each struct, by number: their type, or that of a list's elements, or the fields of a struct.
Fields = dict[int, Any]
_KEY_VALUE: Fields = {1: BINARY, 2: BINARY}
_STATISTICS: Fields = {
    1: BINARY, 2: BINARY, 3: I64, 4: I64, 5: BINARY, 6: BINARY, 7: TRUE, 8: TRUE
}  # fmt: skip
_SIZES: Fields = {1: I64, 2: [I64], 3: [I64]}
_PAGES: Fields = {1: I32, 2: I32, 3: I32}
KIND, REPETITION, NAME, CHILDREN = 1, 3, 4, 5
_COLUMN: Fields = {KIND: I32, REPETITION: I32, NAME: BINARY, CHILDREN: I32, 9: I32}
CODEC, VALUES, BYTES, PAGES_AT, DICTIONARY_AT = 4, 5, 7, 9, 11
_CHUNK: Fields = {
    1: I32, 2: [I32], 3: [BINARY], CODEC: I32, VALUES: I64, 6: I64, BYTES: I64, PAGES_AT: I64, DICTIONARY_AT: I64,
    12: _STATISTICS, 13: [_PAGES], 16: _SIZES
}  # fmt: skip
META_DATA = 3
COLUMNS, ROWS_OF_GROUP = 1, 3
_GROUP: Fields = {COLUMNS: [{2: I64, META_DATA: _CHUNK}], 2: I64, ROWS_OF_GROUP: I64, 5: I64, 6: I64, 7: I16}
SCHEMA, ROWS, GROUPS = 2, 3, 4
_FOOT: Fields = {
    1: I32,
    SCHEMA: [_COLUMN],
    ROWS: I64,
    GROUPS: [_GROUP],
    5: [_KEY_VALUE],
    6: BINARY,
    7: [{1: {}}],
}


@dataclass(frozen=True)
class Foot:
    """How many rows and columns, the sum of values over all columns, the codecs that compress them, and whether there
    is a column of steps.
    """

    rows: int
    columns: int
    values: int
    codecs: frozenset[int]
    has_steps: bool


def foot_of(content: bytes) -> Foot:
    """The foot of a file of flat columns of numbers. Raises ValueError where it is another one, or lies of itself."""
    size = int.from_bytes(content[-8:-4], "little")
    if content[-4:] != b"PAR1" or not 0 < size <= min(MOST_BYTES, len(content) - 12):
        raise ValueError("its foot is no curve's")
    try:
        foot, end = _struct(content[-8 - size : -8], 0, _FOOT)
        if end != size:
            raise ValueError("its foot goes on after its end")
        return _checked(foot, len(content) - 8 - size)
    except (KeyError, IndexError) as error:
        raise ValueError(f"its foot is damaged: {error!r}") from None


def _checked(foot: dict[int, Any], end: int) -> Foot:
    """What is asked of a foot, whose parts lie before the place `end` of the file."""
    root, *schema = foot[SCHEMA]
    groups, rows = foot[GROUPS], foot[ROWS]
    if root[CHILDREN] != len(schema) or any(CHILDREN in one or one[KIND] not in NUMBERS for one in schema):
        raise ValueError("a column is not of numbers")
    if not schema:
        raise ValueError("it has no columns")
    if any(one.get(REPETITION) == REPEATED for one in schema):
        raise ValueError("a column has several numbers a row")
    names = {one[NAME] for one in schema}
    if len(names) < len(schema):
        raise ValueError("two columns have the same name")
    if rows < 1 or len(groups) != -(-rows // MOST_ROWS_OF_GROUP):
        raise ValueError("it has another number of parts than a curve of its length")
    kinds = [one[KIND] for one in schema]
    if any([one[META_DATA][KIND] for one in group[COLUMNS]] != kinds for group in groups):
        raise ValueError("its parts have other columns than it has")
    chunks = [(group[ROWS_OF_GROUP], one[META_DATA]) for group in groups for one in group[COLUMNS]]
    values = sum(chunk[VALUES] for _, chunk in chunks)
    if any(of_group != chunk[VALUES] or of_group < 0 for of_group, chunk in chunks) or values != rows * len(
        schema
    ):
        raise ValueError("its parts have other numbers of rows than it has")
    at = 4  # after the file's first four bytes
    for _, chunk in chunks:
        begin = chunk.get(DICTIONARY_AT, chunk[PAGES_AT])
        if not at <= begin <= chunk[PAGES_AT] < (at := begin + chunk[BYTES]) <= end:
            raise ValueError("its parts do not lie one after another")
    return Foot(rows, len(schema), values, frozenset(chunk[CODEC] for _, chunk in chunks), b"step" in names)


# Each reads from the place `at` on, and gives what it read and the place after it. What they make is bounded by the
# bytes there are. Functions rather than a class: they take half of its time, a third of reading a small curve.


def _struct(content: bytes, at: int, fields: Fields) -> tuple[dict[int, Any], int]:
    """Field number -> value."""
    found: dict[int, Any] = {}
    field = 0
    while head := content[at]:
        at += 1
        if not head >> 4:
            raise ValueError("its foot has fields that a curve's has not")
        field += head >> 4
        kind = fields.get(field)
        found[field], at = _value(content, at, head & 15, kind)
    return found, at + 1


def _value(content: bytes, at: int, is_kind: int, kind: Any) -> tuple[Any, int]:
    """A value whose type is given by the file as `is_kind`, and has to be `kind`."""
    if is_kind in BITS and is_kind == kind:
        return _number(content, at, BITS[is_kind])
    if is_kind == BINARY == kind:
        size, at = _unsigned(content, at)
        if size > len(content) - at:
            raise ValueError("a text in its foot is longer than the foot")
        return content[at : at + size], at + size
    if is_kind == STRUCT and isinstance(kind, dict):
        return _struct(content, at, kind)
    if is_kind == LIST and isinstance(kind, list):
        return _list(content, at, kind[0])
    if is_kind in (TRUE, FALSE) and kind == TRUE:
        return is_kind == TRUE, at
    raise ValueError("its foot has fields that a curve's has not")


def _list(content: bytes, at: int, kind: Any) -> tuple[list[Any], int]:
    head = content[at]
    size, at = _unsigned(content, at + 1) if head >> 4 == 15 else (head >> 4, at + 1)
    if size > len(content) - at:  # each has a byte at least
        raise ValueError("a list in its foot is longer than the foot")
    found = []
    for _ in range(size):
        one, at = _value(content, at, head & 15, kind)
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


def _number(content: bytes, at: int, bits: int) -> tuple[int, int]:
    byte = content[at]
    number, at = (byte, at + 1) if byte < 128 else _unsigned(content, at)
    if number >> bits:
        raise ValueError("a number in its foot is too large")
    return (number >> 1) ^ -(number & 1), at
