"""What a training says of the cases of its test set, checked before it becomes part of the result. N cases."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from study.errors import StudyError, did_you_mean
from study.store.cases import MOST_CASES, Answers


def checked_cases(told: Any, metrics: Collection[str]) -> dict[str, Answers]:
    """What `Training.correct_cases` returned, by metric, as arrays bool [N].

    Raises StudyError with every mistake: names that are none of the metrics, values that are no arrays bool [N], and
    more cases than a result may have.
    """
    if not isinstance(told, Mapping):
        raise StudyError(
            f"correct_cases returned {_kind(told)}, not a mapping such as {{'hit_rate': predicted == wanted}}"
        )
    mistakes = [said for name, value in told.items() if (said := _mistake(name, value, metrics))]
    if mistakes:
        raise StudyError(*mistakes)
    if (n := sum(map(len, told.values()))) > MOST_CASES:
        raise StudyError(f"correct_cases returned {n:,} cases; a result may have {MOST_CASES:,}")
    return {name: _answers(value) for name, value in told.items()}


def _mistake(name: object, value: Any, metrics: Collection[str]) -> str | None:
    if name not in metrics:
        near = did_you_mean(str(name), metrics)
        return f"correct_cases names {name!r}, which is no declared metric{near} (declared: {', '.join(metrics)})"
    if not (isinstance(value, np.ndarray) or hasattr(value, "detach")):
        return _needed(name, _kind(value))
    shape, dtype = list(value.shape), str(value.dtype).removeprefix("torch.")
    if dtype != "bool" or len(shape) != 1 or not shape[0]:
        return _needed(name, f"{dtype} {shape}")
    return None


def _needed(name: object, found: str) -> str:
    return f"correct_cases returned {found} for {name}; needed is an array or a tensor, bool [N], a value for each case"


def _answers(value: Any) -> Answers:
    return np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
