"""The memory of a process that trains on CPU cores."""

from __future__ import annotations

import ctypes
import sys

# Their numbers in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed() -> None:
    """Let this process keep the memory of freed tensors for later ones, where its C library is glibc.

    It would give each large one back at once, and the kernel clear every page of the next one at its first
    touch: thousands in a step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
