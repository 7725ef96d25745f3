"""A process that trains keeps the memory of freed tensors for the next ones."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# The address space, unlike page faults, is the same however short of memory or busy a machine is.
CODE = """
import resource, sys
import torch
from study.running import allocator, attempt  # as in a process that trains
if sys.argv[1:]:
    allocator.keep_freed()
def pages():
    return int(open("/proc/self/statm").read().split()[0])
tensor = torch.zeros(20_000_000)
before = pages()
del tensor
print((before - pages()) * resource.getpagesize())
"""
TENSOR = 80_000_000  # bytes


def given_back(*words: str) -> int:
    """The bytes that a process gives back to the system when it frees a tensor of 80 MB."""
    command = [sys.executable, "-c", CODE, *words]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="its C library is not glibc")
def test_freed_memory_is_kept() -> None:
    assert given_back("keep") < TENSOR / 10
    assert given_back() >= TENSOR
