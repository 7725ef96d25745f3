"""Another user of this machine: code that runs under a uid that owns nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

UID = 61234
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def as_other(does: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns (JSON) in a child process of that user; an exception as `raised ...`.

    A fork, not a program: the other user need not be able to read this Python.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(UID, UID, UID)
            os.setresuid(UID, UID, UID)
            os.chdir("/")
            try:
                said = does(*arguments)
            except OSError as error:
                said = f"raised {type(error).__name__}"
            os.write(writing, json.dumps(said).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    assert told, "the other user's code failed"
    return json.loads(told)
