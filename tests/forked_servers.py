"""Fork servers (study/running/fork_server.py) that are forks of a process which has imported what they import.

Those imports are half of what a short run asks of the processors. Ray is left to each server: it learns as it is
imported whose worker it is.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

from study.running import fork_server


class Begun:
    """Has of a `subprocess.Popen` what study/running/fork_server.py asks of one; made by the process at `address`."""

    def __init__(self, address: str, words: list[str], env: dict[str, str]) -> None:
        stdin, self._stdin = os.pipe()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.connect(address)
        socket.send_fds(self._server, [b"1"], [stdin])
        os.close(stdin)
        told = json.dumps({"words": words, "environment": env}).encode()
        self._server.sendall(len(told).to_bytes(8, "big") + told)
        self.pid = int.from_bytes(self._server.recv(8, socket.MSG_WAITALL), "big")
        if not self.pid:
            raise OSError("the process that forks servers has ended")

    def __enter__(self) -> Begun:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._stdin)
        self._server.close()

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, kind: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.kill(self.pid, kind)

    def wait(self, timeout: float) -> None:
        """Until it has ended, and with it its side of the socket."""
        self._server.settimeout(timeout)
        try:
            self._server.recv(1)
        except TimeoutError:
            raise subprocess.TimeoutExpired("fork server", timeout) from None


def begun_at(address: str) -> types.SimpleNamespace:
    """In place of `subprocess` in study/running/fork_server.py."""
    names = ("PIPE", "DEVNULL", "TimeoutExpired")
    return types.SimpleNamespace(
        Popen=lambda words, env, **_: Begun(address, words, env),
        **{name: getattr(subprocess, name) for name in names},
    )


def serve(address: str) -> None:
    """Fork for each that asks, until this process's standard input is closed."""
    for name in (*fork_server.ALWAYS, *fork_server.WITH_TORCH, "study.images.training"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended forks are forgotten
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(100)
        print("ready", flush=True)
        while select.select([listener, sys.stdin], [], [])[0] == [listener]:
            client, _ = listener.accept()
            try:
                _, (stdin,), _, _ = socket.recv_fds(client, 1, 1)
            except (OSError, ValueError):  # a test was killed meanwhile
                client.close()
                continue
            if not os.fork():
                break
            os.close(stdin)
            client.close()
        else:
            return
    _become(client, stdin)


def _become(client: socket.socket, stdin: int) -> None:
    """A fork server as the words say."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(stdin, 0)
    os.close(stdin)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.close(nothing)
    with client.makefile("rb") as content:
        asked: dict[str, Any] = json.loads(content.read(int.from_bytes(content.read(8), "big")))
    os.environ.clear()
    os.environ.update(asked["environment"])
    tests = str(Path(__file__).parent)
    sys.path[:] = [place for place in sys.path if place and place != tests]
    sys.dont_write_bytecode |= "PYTHONDONTWRITEBYTECODE" in os.environ
    sys.modules["__main__"] = types.ModuleType("__main__")
    client.sendall(os.getpid().to_bytes(8, "big"))
    fork_server.serve(json.loads(asked["words"][-1]))
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
