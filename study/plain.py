"""Numbers and sequences of NumPy, torch and pandas as Python's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def plain(value: Any) -> Any:
    """A number (or text) of NumPy or torch as Python's own; anything else as it is."""
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        return value.item()
    return value


def plain_list(values: Any) -> list[Any] | None:
    """The items of a list, a tuple, a range or an array; None for what is no such sequence, as text or a set."""
    if callable(getattr(values, "tolist", None)):  # an array, a tensor, a column of a DataFrame
        values = values.tolist()
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        return None
    return [plain(value) for value in values]


def without_negative_zero(value: Any) -> Any:
    """-0.0 as 0.0, also within lists, tuples and dicts: they are equal, and are written differently."""
    if isinstance(value, float) and value == 0:
        return 0.0
    if type(value) in (list, tuple):
        return type(value)(map(without_negative_zero, value))
    if type(value) is dict:
        return {key: without_negative_zero(inner) for key, inner in value.items()}
    return value
