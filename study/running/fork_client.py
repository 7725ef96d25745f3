"""What Ray starts for a worker in place of its own setup_worker.py: asks the fork server for a process, and ends.

It is started for each worker, so it imports little. Where nobody answers, or more is asked for than a process with
arguments and an environment, Ray's own script takes over.
"""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # this folder, whose modules are not the standard library's

import json
import os
import resource
import signal
import socket
from pathlib import Path
from typing import Any

# The variable that names the server's socket. Workers don't have it, nor what they start.
ADDRESS = "_STUDY_FORK_SERVER"
# Imports may take long where the disk is slow; Ray waits for a worker for a minute.
WAIT_SECONDS = 20.0
SCRIPT = "default_worker.py"
CONTEXT, LANGUAGE = "--serialized-runtime-env-context=", "--language="
LIMITS = [name for name in dir(resource) if name.startswith("RLIMIT_")]
# Of a worker's context what a fork can give.
PLAIN: dict[str, Any] = {
    "command_prefix": [],
    "py_executable": sys.executable,
    "override_worker_entrypoint": None,
}


def wanted() -> dict[str, Any] | None:
    """What the worker is to be; None where Ray's own script is needed for that."""
    words = [word for word in sys.argv[1:] if not word.startswith((CONTEXT, LANGUAGE))]
    context = next((word.removeprefix(CONTEXT) for word in sys.argv if word.startswith(CONTEXT)), "{}")
    told = json.loads(context)
    variables = told.get("env_vars", {})
    if (
        ADDRESS not in os.environ
        or f"{LANGUAGE}PYTHON" not in sys.argv
        or Path(words[0]).name != SCRIPT
        or any(told.get(name, value) != value for name, value in PLAIN.items())
        or any("$" in value for value in variables.values())  # Ray would expand it
    ):
        return None
    return {
        "words": words,
        "files": [0, 1, 2, *inherited()],
        "environment": {name: value for name, value in os.environ.items() if name != ADDRESS} | variables,
        "folder": str(Path.cwd()),
        "ignored": [kind for kind in signal.valid_signals() if signal.getsignal(kind) is signal.SIG_IGN],
        "blocked": list(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "leads_group": os.getpgrp() == os.getpid(),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in LIMITS},
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "oom_score_adj": Path("/proc/self/oom_score_adj").read_text(encoding="utf-8"),
    }


def inherited() -> list[int]:
    """Files besides the standard streams that a child would have: Ray leaves a pipe open, which tells it of its end."""
    found = []
    for file in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
        try:
            found += [file] if file > 2 and os.get_inheritable(file) else []
        except OSError:  # that of the list
            continue
    return found


def forked(process: dict[str, Any]) -> bool:
    """Whether the server made this process."""
    content = json.dumps(process).encode()
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.settimeout(WAIT_SECONDS)
            server.connect(os.environ[ADDRESS])
            if not server.recv(1):
                return False
            server.settimeout(None)  # it is there; the fork itself answers, or nobody does
            socket.send_fds(server, [len(content).to_bytes(8, "big")], process["files"])
            server.sendall(content)
            return bool(server.recv(1))
    except OSError:
        return False


def was_forked() -> bool:
    """Whether the worker is there. Whatever can't be told of it, Ray's own script may do without."""
    try:
        process = wanted()
    except (OSError, ValueError):
        return False
    return process is not None and forked(process)


if __name__ == "__main__":
    if not was_forked():
        own = next(Path(word) for word in sys.argv[1:] if word.endswith(SCRIPT)).with_name("setup_worker.py")
        os.environ.pop(ADDRESS, None)
        os.execv(sys.executable, [sys.executable, str(own), *sys.argv[1:]])
