"""The saved state of a torch optimizer, as the optimizer that goes on from it may have it.

A state comes from a file that somebody else may have written. Torch takes from it which of its implementations steps,
and the fused ones write beyond a state that is smaller than its weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any


def is_optimizer(value: object) -> bool:
    """Whether it is one of torch's, or one that keeps its settings as they do."""
    return hasattr(value, "param_groups") and hasattr(value, "load_state_dict")


def fitted(optimizer: Any, state: Mapping[str, Any]) -> dict[str, Any]:
    """The state with the optimizer's own settings, of which only numbers are taken from it, such as a learning rate.

    Raises ValueError where it has other groups of weights, or a fused optimizer's tensors are not as their weights are.
    """
    try:
        saved, now = state["param_groups"], optimizer.param_groups
        groups = [_group(old, group) for old, group in zip(saved, now, strict=True)]
        numbers = itertools.chain.from_iterable(group["params"] for group in saved)
        weights = itertools.chain.from_iterable(group["params"] for group in now)
        shapes = {number: weight.shape for number, weight in zip(numbers, weights, strict=True)}
        if any(group.get("fused") for group in now):
            for number, kept in state["state"].items():
                for name, value in kept.items():
                    if getattr(value, "shape", None) not in (
                        shapes[number],
                        () if name == "step" else shapes[number],
                    ):
                        raise ValueError(f"an optimizer's {name} is not as large as its weights")
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"it is no state of this optimizer: {error!r}") from None
    return {**state, "param_groups": groups}


def _group(saved: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: value for name, value in saved.items() if _is_number(value)}
    return {**now, **numbers, "params": list(saved["params"])}


def _is_number(value: Any) -> bool:
    """Also a tensor of one, as a learning rate may be, and a tuple of some, as betas are."""
    if isinstance(value, tuple):
        return all(map(_is_number, value))
    if hasattr(value, "detach"):
        return bool(value.numel() == 1)
    return isinstance(value, int | float) and not isinstance(value, bool)
