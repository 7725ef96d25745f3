"""A command and everything it starts, measured: wall time, CPU seconds, memory."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

INTERVAL_SECONDS = 1.0


@dataclass(frozen=True)
class Measured:
    """`seconds` from process start to its end; `cpu_seconds` and `peak_bytes` of the whole tree."""

    output: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int


class Tree:
    """The processes that descend from one, also when their parent has died, as Ray's do."""

    def __init__(self, root: int) -> None:
        self._members = {root: psutil.Process(root)}
        self._cpu: dict[int, float] = {}
        self.peak_bytes = 0

    @property
    def cpu_seconds(self) -> float:
        """User and system time, as last seen of each process: at most an interval is missing of one."""
        return sum(self._cpu.values())

    def look(self) -> None:
        """Note what each living member has used. Shared pages count once (PSS), where the system tells."""
        total = 0
        for member in list(self._members.values()):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                self._members |= {child.pid: child for child in member.children(recursive=True)}
        for pid, member in self._members.items():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times = member.cpu_times()
                self._cpu[pid] = times.user + times.system
                memory = member.memory_full_info()
                total += getattr(memory, "pss", memory.uss)
        self.peak_bytes = max(self.peak_bytes, total)


def private_ray() -> dict[str, str]:
    """The environment in which a plain Ray makes no token file, which it would leave readable by all."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def run(command: Sequence[str], **environment: str) -> Measured:
    """Run it to its end. Raises CalledProcessError, with its stderr, where it fails."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
    ):
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=out, stderr=err, env={**os.environ, **private_ray(), **environment}
        )
        tree, ended = Tree(process.pid), threading.Event()

        def watch() -> None:
            while not ended.wait(INTERVAL_SECONDS):
                tree.look()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
        finally:
            ended.set()
            watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command, out.read(), err.read())
        # Both miss something: sampling the last moment of each process, the kernel's sum the children that
        # nobody waited for.
        cpu = max(tree.cpu_seconds, used.ru_utime + used.ru_stime)
        return Measured(out.read(), seconds, cpu, max(tree.peak_bytes, used.ru_maxrss * 1024))
