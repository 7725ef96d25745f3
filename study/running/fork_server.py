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
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

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
    if (
        sys.platform != "linux"
    ):  # elsewhere what libraries begin as they are imported may not live on in a fork
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
            server.kill()


def clients_start_workers() -> contextlib.AbstractContextManager[None]:
    """A Ray that starts meanwhile starts its workers by the client, if there is a server."""
    from ray._private import ray_constants

    client = {"SETUP_WORKER_FILENAME": str(CLIENT)} if ADDRESS in os.environ else {}
    return own_ray.replaced(ray_constants, **client)


def serve(told: dict[str, Any]) -> None:
    """Import, then fork for each that asks, until the process that started this one has ended."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(told["address"])
        listener.listen(64)
        for name in told["modules"]:
            importlib.import_module(name)
        for module, name in told["trainings"]:
            operator.attrgetter(name)(importlib.import_module(module)).implementation()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for forks
        while select.select([listener, sys.stdin], [], [])[0] == [listener]:
            client, _ = listener.accept()
            with client:
                asked = _asked(client)
                if asked is None:
                    continue
                if WITH_RAY not in sys.modules:
                    os.environ.update(asked[0]["environment"])
                    importlib.import_module(WITH_RAY)
                    gc.freeze()
                if not _can_fork():
                    return
                if not os.fork():
                    break
                client.sendall(b"1")
        else:
            return
    _become(*asked)


def _asked(client: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """What process is asked for, and its standard streams; None where the client is gone."""
    try:
        client.sendall(b"1")
        size, streams, _, _ = socket.recv_fds(client, 8, 3)
        with client.makefile("rb") as content:
            return (json.loads(content.read(int.from_bytes(size, "big"))), streams) if streams else None
    except OSError:
        return None


def _can_fork() -> bool:
    """Whether nothing here would be broken in a fork: another thread, or a GPU in use."""
    used = [link.readlink().name for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    on_gpu = any(name in GPU_DRIVERS or name.startswith("nvidia") for name in used)
    return len([*Path("/proc/self/task").iterdir()]) == 1 and not on_gpu


def _become(process: dict[str, Any], streams: list[int]) -> None:
    """Be the worker: run the script that is named first, with all that a process has besides."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if process["leads_group"]:
        os.setpgid(0, 0)
    os.setpriority(os.PRIO_PROCESS, 0, process["priority"])
    Path("/proc/self/oom_score_adj").write_text(process["oom_score_adj"], encoding="utf-8")
    os.chdir(process["folder"])
    os.environ.clear()
    os.environ.update(process["environment"])
    for kind in SIGNALS:
        usual = signal.default_int_handler if kind == signal.SIGINT else signal.SIG_DFL
        signal.signal(kind, signal.SIG_IGN if kind in process["ignored"] else usual)
    signal.pthread_sigmask(signal.SIG_SETMASK, process["blocked"])
    own_ray.environment_changed()
    script, *_ = sys.argv[:] = process["words"]
    sys.path.insert(0, str(Path(script).parent))
    main = sys.modules["__main__"].__dict__
    main["__file__"] = script
    exec(compile(Path(script).read_bytes(), script, "exec"), main)
