"""What is saved of a training's attributes, and how a training goes on from it.

A state comes from a file that somebody else may have written. Torch's optimizers take from theirs which implementation
steps, and the fused ones write beyond a state that is smaller than its weights: so an optimizer keeps its own settings.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from study.generator_state import with_places

# An optimizer's settings that say how often something is done, or how much is kept.
COUNTS = frozenset({"max_iter", "max_eval", "history_size", "ns_steps"})


def saved(value: Any) -> Any:
    """What is saved of an attribute: what it says itself, as networks and generators do, or the value."""
    if hasattr(value, "state_dict"):
        return value.state_dict()
    if hasattr(value, "bit_generator"):  # NumPy's
        return value.bit_generator.state
    get_state = _of_generator(value, "get")
    return get_state() if get_state else value


def resumed(mine: Any, value: Any) -> Any:
    """The attribute with what was saved of it: the same object where it can take that in, else what takes its place.

    Raises ValueError where it is no state of this one.
    """
    if hasattr(mine, "load_state_dict"):
        is_optimizer = hasattr(mine, "param_groups")
        mine.load_state_dict(fitted(mine, value) if is_optimizer else value)
    elif hasattr(mine, "bit_generator"):
        mine.bit_generator.state = with_places(value)
    elif set_state := _of_generator(mine, "set"):
        set_state(with_places(value))
    else:
        return _in_place_of(mine, value)
    return mine


def _of_generator(value: Any, verb: str) -> Callable[..., Any] | None:
    """How the state of a `random.Random` or a `torch.Generator` is got or set; None of all else."""
    for name in (f"{verb}state", f"{verb}_state"):
        found: Callable[..., Any] | None = getattr(value, name, None)
        if found is not None and hasattr(value, "seed"):
            return found
    return None


def _in_place_of(mine: Any, value: Any) -> Any:
    """A saved value, with its tensors where those are that stand at the same places now.

    A Counter, a defaultdict and the like, which are saved as plain mappings, become what they were; so do namedtuples.
    """
    if isinstance(value, dict) and isinstance(mine, Mapping):
        found = {name: _in_place_of(mine.get(name), inner) for name, inner in value.items()}
        if not isinstance(mine, dict) or type(mine) is dict:
            return found
        same = copy.copy(mine)
        same.clear()
        same.update(found)
        return same
    if isinstance(value, list | tuple) and isinstance(mine, list | tuple):
        now = [*mine, *[None] * len(value)]
        inner = [_in_place_of(old, one) for old, one in zip(now, value, strict=False)]
        return mine._make(inner) if hasattr(mine, "_make") else type(value)(inner)
    if not (hasattr(value, "detach") and hasattr(mine, "detach")):
        return value
    if not (mine.requires_grad and mine.is_leaf):
        return value.to(mine.device)
    if mine.shape != value.shape:
        raise ValueError(f"a tensor is {list(value.shape)}, not {list(mine.shape)}")
    mine.data.copy_(value)
    return mine


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
        if any(group.get("fused") for group in groups):
            for number, kept in state["state"].items():
                for name, value in kept.items():
                    if getattr(value, "shape", None) not in (
                        shapes[number],
                        () if name == "step" else shapes[number],
                    ):
                        raise ValueError(f"an optimizer's {name} is not as large as its weights")
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"it is no state of this optimizer: {error!r}") from None
    return {**state, "param_groups": groups}


def _group(saved: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    taken = {name: _setting(now[name], value) for name, value in saved.items() if name in now.keys() - COUNTS}
    return {**now, **taken, "params": list(saved["params"])}


def _setting(now: Any, saved: Any) -> Any:
    """The saved setting where both are numbers, else the present one: flags, and what is None, stay as they are.

    A number becomes a float, as which it does the same: of whole ones Python would compute powers of any length. A
    learning rate may be a tensor of one number; betas are a tuple of some.
    """
    if isinstance(now, tuple) and isinstance(saved, tuple):
        return tuple(_setting(*both) for both in zip(now, saved, strict=True))
    if hasattr(now, "detach") and hasattr(saved, "detach"):
        return saved if saved.shape == now.shape and saved.dtype == now.dtype else now
    return float(saved) if _is_number(now) and _is_number(saved) and saved != now else now


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
