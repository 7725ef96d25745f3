"""What is saved of a training's attributes, and how a training goes on from it.

A state comes from a file that somebody else may have written. Torch's optimizers take from theirs which implementation
steps, and the fused ones write beyond a state that is smaller than its weights: so an optimizer keeps its own settings.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping, Set
from numbers import Integral, Real
from typing import Any

from study.generator_state import checked

# An optimizer's settings that say how often something is done, or how much is kept; and those that say which
# implementation steps, which torch reads wherever they stand.
COUNTS = frozenset({"max_iter", "max_eval", "history_size", "ns_steps"})
FLAGS = frozenset({"fused", "foreach", "capturable", "differentiable", "maximize"})


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
        if is_optimizer:
            _lay_out(mine)
    elif hasattr(mine, "bit_generator"):
        mine.bit_generator.state = checked(value)
    elif set_state := _of_generator(mine, "set"):
        set_state(checked(value))
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
    """The state, if its settings are the optimizer's own but for numbers, such as a learning rate, which are taken.

    Raises ValueError where another setting differs, or groups of weights do, or a fused optimizer's tensors are not as
    its weights are.
    """
    try:
        saved, now = state["param_groups"], optimizer.param_groups
        own = getattr(optimizer, "defaults", {}).keys() | FLAGS | COUNTS
        groups = [_group(old, group, own) for old, group in zip(saved, now, strict=True)]
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


def _group(saved: Mapping[str, Any], now: Mapping[str, Any], own: Set[str]) -> dict[str, Any]:
    """`own` are the names that torch knows; what else stands in a group is the training's, and taken as it is.

    But optimizers that are not torch's may keep settings there too: a float stays one.
    """
    taken = {name: _as_float(now.get(name), value) for name, value in saved.items()}
    for name in own & saved.keys():
        try:
            taken[name] = _setting(now.get(name), saved[name], fixed=name in COUNTS)
        except ValueError:
            raise ValueError(
                f"an optimizer's {name} is {now.get(name)!r}, and {saved[name]!r:.40} in the state"
            ) from None
    return {**now, **taken, "params": list(saved["params"])}


def _as_float(now: Any, saved: Any) -> Any:
    """The saved value; whole numbers in the place of floats as such."""
    if isinstance(now, tuple | list) and isinstance(saved, tuple | list) and len(now) == len(saved):
        return type(saved)(_as_float(*both) for both in zip(now, saved, strict=True))
    return float(saved) if isinstance(now, float) and isinstance(saved, Integral) else saved


def _lay_out(optimizer: Any) -> None:
    """Give what a fused optimizer keeps of its weights their layout in memory, which its kernels take for granted."""
    for group in optimizer.param_groups:
        for weight in group["params"] if group.get("fused") else ():
            kept = optimizer.state.get(weight, {})
            for name, value in kept.items():
                if getattr(value, "shape", None) == weight.shape and value.stride() != weight.stride():
                    kept[name] = weight.detach().to(value.dtype, copy=True).copy_(value)


def _setting(now: Any, saved: Any, fixed: bool = False) -> Any:
    """The saved setting, where both are numbers or they are the same. Raises ValueError where they are not.

    A whole number becomes a float, as which it does the same: Python would compute its powers to the last digit. Either
    may be a tensor of one number, as a learning rate may; betas are a tuple of some.
    """
    if isinstance(now, tuple | list) and isinstance(saved, tuple | list):
        return type(saved)(_setting(*both) for both in zip(now, saved, strict=True))
    if _is_number(now) and _is_number(saved) and not fixed:
        same = type(saved) is type(now) and saved == now
        return float(saved) if isinstance(saved, Integral) and not same else saved
    if _is_of_one(now) and _is_of_one(saved) and not fixed:
        return saved
    if type(saved) is type(now) and isinstance(now, str | bool | int | None) and saved == now:
        return now
    raise ValueError


def _is_number(value: Any) -> bool:
    """Also NumPy's are."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_of_one(value: Any) -> bool:
    """Whether it is a number, or a tensor of one that is no whole number."""
    if hasattr(value, "detach"):
        return bool(value.numel() == 1 and value.is_floating_point())
    return _is_number(value)
