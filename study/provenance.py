"""Where a result comes from: versions, hardware and commit. No environment variable is recorded."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = ("study", "torch", "ray", "numpy")


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


# A repository's own settings can name commands. These keep git from running hooks, a monitor of files, and
# what fetches missing objects; filters can't be turned off, so they are looked for.
GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
GIT_ENVIRONMENT = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
FILTERS = r"^filter\..*\.(clean|smudge|process)$"


def git_commit(folder: Path) -> str | None:
    """The commit checked out in `folder`, with `+changes` where files differ from it, or None.

    `+unknown` stands for changes that only a command of the repository's own could tell; it is not run.
    """

    def git(*words: str) -> str | None:
        command, environment = [*GIT, "-C", str(folder), *words], {**os.environ, **GIT_ENVIRONMENT}
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=10,
                check=False,
                env=environment,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None
    filters = git("config", "--show-scope", "--name-only", "--get-regexp", FILTERS) or ""
    if any(line.startswith(("local", "worktree")) for line in filters.splitlines()):
        return f"{commit}+unknown"
    changes = git("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
    return f"{commit}+changes" if changes else commit


def hardware(device: str, threads: int) -> dict[str, Any]:
    """The node's name, its CPU model, the device that trains, and the threads it may use."""
    name = "cpu"
    if device.startswith("cuda"):
        import torch

        name = torch.cuda.get_device_name(device)
    return {
        "node": platform.node(),
        "device": name,
        "cpu": cpu_model(),
        "threads": threads,
    }


@functools.cache
def cpu_model() -> str:
    """What the processor calls itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        return platform.processor()
    return platform.processor()
