"""What a container lets this process use of the machine: CPU time and memory, by the control groups of Linux."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PROC = Path("/proc/self")


def cores(proc: Path = PROC) -> float | None:
    """How many cores' time there is at most (cgroup v1: cfs_quota_us, v2: cpu.max); None without a limit."""
    found = []
    for folder in _groups("cpu", proc):
        words = _read(folder / "cpu.max").split()
        words = words or [
            *_read(folder / "cpu.cfs_quota_us").split(),
            *_read(folder / "cpu.cfs_period_us").split(),
        ]
        if len(words) == 2 and words[0].isdigit() and int(words[1]):
            found.append(int(words[0]) / int(words[1]))
    return min(found, default=None)


def memory_bytes(proc: Path = PROC) -> int | None:
    """The memory that there is at most (cgroup v1: limit_in_bytes, v2: memory.max); None without a limit."""
    files = (
        folder / name
        for folder in _groups("memory", proc)
        for name in ("memory.max", "memory.limit_in_bytes")
    )
    found = [int(text) for file in files if (text := _read(file).strip()).isdigit()]
    # Version 1 says the largest number of pages where there is none.
    return min((limit for limit in found if limit < 2**60), default=None)


def memory_kills(proc: Path = PROC) -> int:
    """How many processes of our group the kernel has ended for want of memory; 0 where it does not count them."""
    for folder in _groups("memory", proc):
        said = _read(folder / "memory.events") + _read(folder / "memory.oom_control")
        if counted := re.search(r"^oom_kill (\d+)$", said, re.MULTILINE):
            return int(counted[1])
    return 0


def _groups(controller: str, proc: Path) -> Iterator[Path]:
    """The folders of this process's groups, and of those that they lie in: each may have a limit."""
    ours: dict[str, str] = {}
    for line in _read(proc / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        ours.update(dict.fromkeys(controllers.split(","), path))  # version 2 has no controllers here: ""
    for line in _read(proc / "mountinfo").splitlines():
        mount, _, system = line.partition(" - ")
        kind, _, options = system.split(" ", 2)
        known_as = {"cgroup2": "", "cgroup": controller if controller in options.split(",") else None}.get(
            kind
        )
        if known_as is None or known_as not in ours:
            continue
        root, top = mount.split(" ")[3:5]
        # A container may see a part of the tree alone, and its path from the root of the whole.
        below = PurePosixPath(ours[known_as])
        inside = below.relative_to(root) if below.is_relative_to(root) else PurePosixPath()
        folder = Path(top, *(part for part in inside.parts if part not in ("/", "..")))
        while folder.is_relative_to(top):
            yield folder
            folder = folder.parent


def _read(file: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return file.read_text(encoding="utf-8")
    return ""
