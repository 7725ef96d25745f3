"""Loaded by every Python process of a run under test: strikes at one point of the store's work, as told.

STUDY_CHAOS is JSON: `point` (write, flush, rename, remove, or a call such as
study.running.trial_run:TrialRun.resume), `when` (before, after; in the middle of a write), `nth` (of its kind
in a process), `file` (end of its name), `who` (driver, worker), `do` (kill, kill-all, or an errno's name),
`lasting` (from then on, every time).
Or only `clock`: a file that says how many seconds Python's wall clock is ahead.

Each attempt at a trial makes a file of its own in the folder STUDY_CHAOS_ATTEMPTS, named by the trial's key
and the moment: how many seconds of training it began with, and how many it has after its latest step.
"""

from __future__ import annotations

import errno
import functools
import importlib.abc
import importlib.util
import json
import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

SPEC: dict[str, Any] = json.loads(os.environ.get("STUDY_CHAOS", "{}"))
seen = 0


def role() -> str:
    return "worker" if "default_worker" in sys.argv[0] else "driver"


def struck_already() -> bool:
    """A fault strikes once in a run, whichever process comes first."""
    try:
        os.close(os.open(SPEC["mark"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return True
    return False


def at(point: str, name: str, when: str) -> None:
    """Strike, if this is the place and the time."""
    global seen
    if point != SPEC["point"] or when != SPEC["when"] or role() != SPEC["who"]:
        return
    if not name.endswith(SPEC["file"]):
        return
    seen += 1
    if seen < SPEC["nth"] or (struck_already() and not SPEC["lasting"]):
        return
    if SPEC["do"] in errno.errorcode.values():
        number = getattr(errno, SPEC["do"])
        raise OSError(number, os.strerror(number), name)
    if SPEC["do"] == "kill-all":
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                ours = f"STUDY_CHAOS_RUN={os.environ['STUDY_CHAOS_RUN']}\0".encode()
                if int(process.name) != os.getpid() and ours in (process / "environ").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue  # it ended meanwhile, or is not ours
    os.kill(os.getpid(), signal.SIGKILL)


def name_of(temporary: str) -> str:
    """`.result.json.0123.tmp` is on its way to be result.json."""
    name = pathlib.PurePath(temporary).name
    return ".".join(name.split(".")[1:-2]) if name.startswith(".") and name.endswith(".tmp") else name


class Torn:
    """A file of which one write may be interrupted half way."""

    def __init__(self, file: Any, name: str) -> None:
        self.file, self.name = file, name

    def __enter__(self) -> Torn:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, content: bytes) -> None:
        at("write", self.name, "before")
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        at("write", self.name, "middle")
        self.file.write(content[len(content) // 2 :])
        at("write", self.name, "after")

    def flush(self) -> None:
        self.file.flush()

    def fileno(self) -> int:
        return int(self.file.fileno())


def around(point: str, action: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
    def disturbed(*arguments: Any, **named: Any) -> Any:
        of = name(*arguments)
        at(point, of, "before")
        result = action(*arguments, **named)
        at(point, of, "after")
        return result

    return disturbed


open_descriptor = os.fdopen


def path_of(descriptor: int) -> str:
    return str(pathlib.Path(f"/proc/self/fd/{descriptor}").readlink())


def disturbed_open(descriptor: int, mode: str = "r", *arguments: Any, **named: Any) -> Any:
    file = open_descriptor(descriptor, mode, *arguments, **named)
    if mode != "wb" or not (path := path_of(descriptor)).endswith(".tmp"):
        return file
    return Torn(file, name_of(path))


def noted(prepared: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Attempt._prepared, whose TrialRun writes down what it has trained."""

    def prepare(attempt: Any) -> Any:
        trial = prepared(attempt)
        training = trial.training
        one = "_step" if hasattr(training, "_step") else "step"  # images do many steps at once
        run, step, began_with, zero = trial.run, getattr(training, one), trial.seconds, 0.0
        name = f"{attempt._trial.key}-{time.monotonic_ns()}"
        file = os.open(pathlib.Path(os.environ["STUDY_CHAOS_ATTEMPTS"], name), os.O_CREAT | os.O_WRONLY)

        def note(seconds: float) -> None:
            os.pwrite(file, f"{began_with:20.6f}{seconds:20.6f}".encode(), 0)

        def timed_run(steps: int) -> int:
            nonlocal zero
            zero = time.perf_counter() - trial.seconds
            done: int = run(steps)
            note(trial.seconds)
            return done

        def timed_step(*arguments: Any) -> Any:
            measured = step(*arguments)
            note(time.perf_counter() - zero)
            return measured

        trial.run = timed_run
        setattr(training, one, timed_step)
        note(began_with)
        return trial

    return prepare


class CallPatcher(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Wraps a method of a class, given as module:Class.method, as soon as its module is imported."""

    def __init__(self, method: str, wrap: Callable[[Any], Any]) -> None:
        self.module, _, self.method = method.partition(":")
        self.wrap = wrap

    def find_spec(self, name: str, *_: Any) -> Any:
        if name != self.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        self.loader: Any = spec.loader
        spec.loader = self
        return spec

    def create_module(self, spec: Any) -> Any:
        return self.loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self.loader.exec_module(module)
        kind, _, method = self.method.partition(".")
        owner = getattr(module, kind)
        setattr(owner, method, self.wrap(getattr(owner, method)))


if "STUDY_CHAOS_ATTEMPTS" in os.environ:
    sys.meta_path.insert(0, CallPatcher("study.running.attempt:Attempt._prepared", noted))
if "clock" in SPEC:
    real_time, seconds_ahead = time.time, pathlib.Path(SPEC["clock"])
    time.time = lambda: real_time() + int(seconds_ahead.read_text() or 0)
elif SPEC:
    os.fdopen = disturbed_open
    os.fsync = around("flush", os.fsync, lambda descriptor: name_of(path_of(descriptor)))
    os.replace = around("rename", os.replace, lambda _, to: pathlib.PurePath(to).name)
    os.unlink = around("remove", os.unlink, lambda path, **_: pathlib.PurePath(path).name)
    if ":" in SPEC["point"]:
        strike = functools.partial(around, SPEC["point"], name=lambda *_: "")
        sys.meta_path.insert(0, CallPatcher(SPEC["point"], strike))
