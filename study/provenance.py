"""Where a result comes from: versions, hardware and commit. No environment variable is recorded."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = ("study", "torch", "torchvision", "ray", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return dict(_versions())


# Asked for each trial; the answers stay for as long as a process does.
@functools.cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed as a package"
    return found


def git_commit(folder: Path) -> str | None:
    """The commit checked out in `folder`, with `+changes` where files differ from it, or None."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None
    return f"{commit}+changes" if git("status", "--porcelain", "--untracked-files=no") else commit


def hardware(device: str, threads: int) -> dict[str, Any]:
    """The node's name, its CPU model, the device that trains, and the threads it may use."""
    import torch

    on_gpu = device.startswith("cuda")
    return {
        "node": platform.node(),
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "cpu": _cpu_model(),
        "threads": threads,
    }


@functools.cache
def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        return platform.processor()
    return platform.processor()
