"""A process that trains touches no new memory once it has what a step needs."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys
import torch
from study.running import allocator, attempt  # as in a process that trains
if sys.argv[1:]:
    allocator.keep_freed()
for _ in range(5):
    torch.zeros(20_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.zeros(20_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_touched(*words: str) -> int:
    command = [sys.executable, "-c", CODE, *words]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="its C library is not glibc")
def test_freed_memory_is_used_again() -> None:
    # On a machine that is short of memory the system may take pages away, and a process touches them again.
    assert any(pages_touched("keep") < 100 for _ in range(3))
    assert pages_touched() > 100
