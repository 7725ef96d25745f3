"""A process that has imported what workers need, and forks for each: none of them spends seconds on that again.

Ray starts `fork_client.py` in place of its own `setup_worker.py`; that asks here for a process with its arguments, its
environment and its standard streams. Where it gets none, the worker starts as Ray's own do.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import operator
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from study import own_code
from study.running import own_ray
from study.running.fork_client import ADDRESS
from study.running.resources import GPU_DRIVERS
from study.training import Training

CLIENT = Path(__file__).with_name("fork_client.py")
# What all need but Ray. The first optimizer that is made imports torch's compiler.
ALWAYS, WITH_TORCH = ("pandas", "pyarrow", "study.plan"), ("torch", "torch._dynamo")
# Imports Ray, which learns as it is imported whose worker it is: when the first one asks.
WITH_RAY = "study.running.trainable"
# So that NumPy's linear algebra and Arrow's allocator start no thread as they are imported.
NO_THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
# Ray starts a worker for each core at once.
MOST_WAITING, CLIENT_SECONDS, MOST_FILES = 4096, 10.0, 250
END_SECONDS = 5.0
SIGNALS = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD}
START = """
import json, sys
told = json.loads(sys.argv[1])
if told["package"] not in sys.path:
    sys.path.append(told["package"])
from study.running import fork_server
fork_server.serve(told)
"""


@contextlib.contextmanager
def fork_server(folder: Path, trainings: Iterable[type[Training]]) -> Iterator[None]:
    """Workers of a Ray that is started inside are forked from a process with its socket in this private folder.

    It imports what these trainings need, but no code of the user's, beside whatever is done here.
    """
    # Elsewhere what libraries begin as they are imported may not live on in a fork.
    if sys.platform != "linux":
        yield
        return
    told: dict[str, Any] = {
        "address": str(folder / "forks"),
        "package": str(Path(__file__).parents[2]),
        "modules": [*ALWAYS, *(WITH_TORCH if "torch" in sys.modules else ())],
        "trainings": [
            (kind.__module__, kind.__qualname__) for kind in trainings if not own_code.is_own(kind)
        ],
    }
    with subprocess.Popen(
        [sys.executable, "-P", "-c", START, json.dumps(told)],  # -P: without the current folder's modules
        env={**os.environ, **NO_THREADS},
        stdin=subprocess.PIPE,  # closed at the end, however this process ends
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a terminal's Ctrl-C is not for it
    ) as server:
        os.environ[ADDRESS] = told["address"]
        try:
            yield
        finally:
            os.environ.pop(ADDRESS, None)
            server.terminate()
            try:
                server.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()


def clients_start_workers() -> contextlib.AbstractContextManager[None]:
    """A Ray that starts meanwhile starts its workers by the client, if there is a server."""
    from ray._private import ray_constants

    client = {"SETUP_WORKER_FILENAME": str(CLIENT)} if ADDRESS in os.environ else {}
    return own_ray.replaced(ray_constants, **client)


def serve(told: dict[str, Any]) -> None:
    """Import, then fork for each that asks, until the process that started this one has ended, or SIGTERM.

    SIGTERM ends the forks too: Ray is over by then, and one that it had not heard of would go on for a while.
    """
    forks: set[int] = set()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(told["address"])
        listener.listen(MOST_WAITING)
        for name in told["modules"]:
            importlib.import_module(name)
        for module, name in told["trainings"]:
            operator.attrgetter(name)(importlib.import_module(module)).implementation()
        signal.signal(signal.SIGCHLD, lambda *_: _forget_ended(forks))
        signal.signal(signal.SIGTERM, lambda *_: _end(forks))
        while select.select([listener, sys.stdin], [], [])[0] == [listener]:
            client, _ = listener.accept()
            try:
                process, files = _asked(client)
                if WITH_RAY not in sys.modules:
                    os.environ.update({**process["environment"], **NO_THREADS})
                    importlib.import_module(WITH_RAY)
                    gc.freeze()
                if not _can_fork():
                    return
                fork = os.fork()
                if not fork:
                    break
                forks.add(fork)
                _close(files)
            except (OSError, ValueError):  # of this client, which starts the worker by itself
                pass
            client.close()
        else:
            return
    _become(process, files, client)


def _forget_ended(forks: set[int]) -> None:
    for fork in tuple(forks):
        if os.waitpid(fork, os.WNOHANG)[0]:
            forks.remove(fork)


def _end(forks: set[int]) -> None:
    for fork in forks:
        os.kill(fork, signal.SIGKILL)
    os._exit(0)


def _asked(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What process is asked for, and its files, the standard streams first. Raises OSError, ValueError."""
    client.settimeout(CLIENT_SECONDS)
    client.sendall(b"1")
    size, files, _, _ = socket.recv_fds(client, 8, MOST_FILES)
    try:
        with client.makefile("rb") as content:
            process = json.loads(content.read(int.from_bytes(size, "big")))
        if len(files) != len(process["files"]):
            raise OSError("not all files came")
    except (OSError, ValueError):
        _close(files)
        raise
    return process, files


def _close(files: list[int]) -> None:
    for file in files:
        os.close(file)


def _can_fork() -> bool:
    """Whether nothing here would be broken in a fork: another thread, or a GPU in use."""
    used = [link.readlink().name for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    on_gpu = any(name in GPU_DRIVERS or name.startswith("nvidia") for name in used)
    return len([*Path("/proc/self/task").iterdir()]) == 1 and not on_gpu


def _become(process: dict[str, Any], files: list[int], client: socket.socket) -> None:
    """Be the worker: tell the client, and run the script that is named first, with all that a process has besides.

    Where that fails before the client was told, it starts the worker by itself.
    """
    streams, others = files[:3], files[3:]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    _close(streams)
    for other in others:
        os.set_inheritable(other, True)
    if process["leads_group"]:
        os.setpgid(0, 0)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, process["priority"])
        Path("/proc/self/oom_score_adj").write_text(process["oom_score_adj"], encoding="utf-8")
    for name, limit in process["limits"].items():
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(getattr(resource, name), limit)
    os.chdir(process["folder"])
    os.environ.clear()
    os.environ.update(process["environment"])
    for kind in SIGNALS:
        usual = signal.default_int_handler if kind == signal.SIGINT else signal.SIG_DFL
        signal.signal(kind, signal.SIG_IGN if kind in process["ignored"] else usual)
    signal.pthread_sigmask(signal.SIG_SETMASK, process["blocked"])
    own_ray.environment_changed()
    np.random.seed()  # noqa: NPY002  Python's own generator does so by itself
    script, *_ = sys.argv[:] = process["words"]
    code = compile(Path(script).read_bytes(), script, "exec")
    sys.path.insert(0, str(Path(script).parent))
    main = sys.modules["__main__"].__dict__
    for name in ("told", "fork_server"):
        main.pop(name, None)
    main["__file__"] = script
    with client:
        client.sendall(b"1")
    exec(code, main)
