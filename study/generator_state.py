"""The state of a generator of random numbers, looked at before a generator believes it.

Some read what lies beside their words where a state says that they stand there: NumPy's MT19937, RandomState and
Philox, and torch's generator of the CPU. And what draws until a number fits draws without an end where a state gives
zeros for ever, as a Mersenne twister's does whose words are all 0.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

WORDS = 624  # of a Mersenne twister
BUFFERED = 4  # of a Philox
MASK = 2**32 - 1
PYTHON_VERSIONS = (2, 3)  # what a state of `random.Random` may begin with
# Torch's own layout of the state of a generator of the CPU: seed, numbers left, a flag, the next word, the words.
TORCH_BYTES, TORCH_FIELDS = 5056, f"<Q i i Q {WORDS}Q"


def checked(state: Any) -> Any:
    """The state. Raises ValueError where its generator would read what it does not have, or give zeros for ever."""
    try:
        if isinstance(state, Mapping):
            _check_numpy(state)
        elif isinstance(state, tuple | list) and state and state[0] == "MT19937":
            _check_words(state[1])
            _check_place(state[2], WORDS)
        elif isinstance(state, tuple | list) and state and state[0] in PYTHON_VERSIONS:
            _check_words(state[1][:WORDS])
        elif hasattr(state, "detach") and state.numel() == TORCH_BYTES:
            _, left, _, place, *words = struct.unpack_from(TORCH_FIELDS, bytes(state.tolist()))
            _check_words(words)
            # One that has drawn nothing yet stands at its last word.
            if left + place != WORDS + 1 and (left, place) != (1, 0):
                raise ValueError(f"it stands at word {place} with {left} left, of {WORDS}")
    except (TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise ValueError(f"it is no state of a generator: {error!r}") from None
    return state


def _check_numpy(state: Mapping[str, Any]) -> None:
    inner = state.get("state")
    if isinstance(inner, Mapping) and "pos" in inner:
        _check_words(inner["key"])
        _check_place(inner["pos"], WORDS)
    if isinstance(inner, Mapping) and "inc" in inner and inner["inc"] % 2 != 1:
        raise ValueError(
            "its increment is not odd"
        )  # those of PCG64 are; then it comes through all its states
    if "buffer_pos" in state:
        _check_place(state["buffer_pos"], BUFFERED)


def _check_place(place: Any, last: int) -> None:
    if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place <= last:
        raise ValueError(f"it stands at word {place!r}, which its generator does not have")


def _check_words(words: Sequence[int]) -> None:
    """Of the first word a Mersenne twister uses one bit alone, and none of those that are too many."""
    if len(words) != WORDS:
        raise ValueError(f"it has {len(words)} words, not {WORDS}")
    first, *others = (int(word) & MASK for word in words)
    if first <= MASK >> 1 and not any(others):
        raise ValueError("all its words are 0")
