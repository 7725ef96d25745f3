"""Commands of `study` in processes that are forked from one that has imported what they import.

Importing torch, Ray and pandas is most of a short command, and the tests run hundreds. All else is as in a new
interpreter: a process and group of its own, its arguments, environment, folder and streams. The fork servers of their
runs are forked, too (forked_servers.py).
"""

from __future__ import annotations

import atexit
import functools
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any
from unittest import mock

import forked_servers

# How the names of variables begin that an interpreter or a library reads once, when it starts or is imported.
READ_EARLY = (
    "PYTHON", "LANG", "LC_", "TZ", "HOME", "XDG_", "TMP", "LD_", "OMP_", "OPENBLAS_", "MKL_", "TORCH", "CUDA_",
    "MPL", "RAY_",
)  # fmt: skip
# But a token is read when a cluster is asked, and the other is heeded here.
READ_LATE = ("RAY_AUTH_", "PYTHONDONTWRITEBYTECODE")
# So that NumPy's linear algebra and Arrow's allocator start no thread as they are imported: it would not be in a fork.
NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}

# That of the process which is forked, whatever a test changes.
ENVIRONMENT = dict(os.environ)

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["imports_of_commands"])


def can_be_forked(environment: Mapping[str, str]) -> bool:
    """Whether this differs from the environment of the imports only in what is read after them."""
    differ = {name for name, _ in environment.items() ^ ENVIRONMENT.items()}
    return not any(name.startswith(READ_EARLY) and not name.startswith(READ_LATE) for name in differ)


def run(
    words: tuple[str, ...], folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """What `python -m study WORDS` does in this folder; after `timeout` seconds it is killed, with its group."""
    begun = {**ENVIRONMENT, **NO_THREADS, "PYTHONPATH": str(Path(__file__).parent)}
    with mock.patch.dict(os.environ, begun, clear=True):
        forkserver.ensure_running()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        streams = [DupFd(out.fileno()), DupFd(err.fileno())]
        told = words, str(folder), dict(environment), streams, _servers()[0]
        process = _PROCESSES.Process(target=_study, args=told)
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            os.killpg(process.pid or 0, signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, timeout)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode())
        return subprocess.CompletedProcess(words, process.exitcode, *texts)


@functools.cache
def _servers() -> tuple[str, subprocess.Popen[bytes]]:
    """Where the process is asked that forks servers, and itself, which ends with this one."""
    address = f"{tempfile.mkdtemp()}/servers"
    words = [sys.executable, str(Path(__file__).with_name("forked_servers.py")), address]
    process = subprocess.Popen(
        words,
        env={**ENVIRONMENT, **forked_servers.fork_server.NO_THREADS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.readline(), "no fork servers"
    return address, process


def _study(
    words: tuple[str, ...], folder: str, environment: dict[str, str], streams: list[Any], servers: str
) -> None:
    """In the fork: the command itself."""
    os.setsid()
    for number, stream in enumerate(streams, 1):
        os.dup2(stream.detach(), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    tests = str(Path(__file__).parent)
    sys.path[:] = [folder, *(place for place in sys.path if place and not place.startswith(tests))]
    sys.argv[1:] = words
    forked_servers.fork_server.subprocess = forked_servers.begun_at(servers)  # type: ignore[assignment]
    sys.modules.pop("study.__main__", None)  # or runpy warns
    sys.dont_write_bytecode |= "PYTHONDONTWRITEBYTECODE" in environment
    try:
        runpy.run_module("study", run_name="__main__", alter_sys=True)
    finally:
        # What an interpreter does at its end, and a process that multiprocessing has forked does not.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
