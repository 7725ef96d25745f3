"""The state of a generator of random numbers says at which of its words it stands. Some believe any place it names.

NumPy's MT19937, RandomState and Philox, and torch's generator of the CPU read what lies beside their words then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS = 624  # of a Mersenne twister
BUFFERED = 4  # of a Philox
# Torch's own layout of the state of a generator of the CPU: seed, numbers left, a flag, the next word, the words.
TORCH_BYTES, LEFT, NEXT = 5056, slice(8, 12), slice(16, 24)


def with_places(state: Any) -> Any:
    """The state. Raises ValueError where it stands at a word that its generator does not have."""
    if isinstance(state, Mapping):
        inner = state.get("state")
        if isinstance(inner, Mapping) and "pos" in inner:
            _check(inner["pos"], WORDS)
        if "buffer_pos" in state:
            _check(state["buffer_pos"], BUFFERED)
    elif isinstance(state, tuple) and state and state[0] == "MT19937":
        _check(state[2], WORDS)
    elif hasattr(state, "detach") and state.numel() == TORCH_BYTES:
        content = bytes(state.tolist())
        left, place = (int.from_bytes(content[at], "little") for at in (LEFT, NEXT))
        # One that has drawn nothing yet stands at its last word, and has none of its words.
        if left + place != WORDS + 1 and (left, place) != (1, 0):
            raise ValueError(f"it stands at word {place} with {left} left, of {WORDS}")
    return state


def _check(place: Any, last: int) -> None:
    if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place <= last:
        raise ValueError(f"it stands at word {place!r}, which its generator does not have")
