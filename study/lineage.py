"""Lineage: hyperparameters that change in the middle of a trial, as those of a population's members do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from study.errors import validated

# The tenth of the steps after which hyperparameters have other values, and these; the earlier ones first.
Lineage = tuple[tuple[int, Mapping[str, Any]], ...]
TENTHS = 10


def lineage_of(said: Sequence[Sequence[Any]]) -> Lineage:
    """The lineage as a record says it, in lists."""
    return tuple((int(tenth), dict(values)) for tenth, values in said)


def end_of(tenth: int, steps: int) -> int:
    """After which step a tenth of the steps is over."""
    return -(-tenth * steps // TENTHS)


def configs(config: Any, lineage: Lineage) -> list[Any]:
    """The hyperparameters at the beginning, and after each change. Raises StudyError for such that can't be."""
    found = [config]
    for _, values in lineage:
        found.append(validated(type(config), {**found[-1].model_dump(), **values}))
    return found


def told(lineage: Sequence[Sequence[Any]]) -> str:
    """The changes as a text: `from 30 % on lr=0.2; from 70 % on lr=0.1`; empty where there is none."""
    return "; ".join(
        f"from {10 * tenth} % on {', '.join(f'{name}={value}' for name, value in values.items())}"
        for tenth, values in lineage
    )
