"""A stop arrives, and breaks nothing that others wait for."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import HANG, wait_until
from conftest import Study as Runs

import study
from study import Study
from study.running.stop_signals import IMPORT, stop_signals


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """The fixture `study` under another name."""
    started = Runs(tmp_path)
    yield started
    started.end()


class Interrupted(logging.Handler):
    """Is asked to stop while it writes, which is while it has logging's lock."""

    def __init__(self, kind: signal.Signals) -> None:
        super().__init__()
        self.kind = kind
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        signal.raise_signal(self.kind)
        self.written.append(record.getMessage())


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_waits_until_logging_has_let_go_of_its_lock(kind: signal.Signals) -> None:
    logger, handler = logging.Logger("study.test"), Interrupted(kind)
    logger.addHandler(handler)

    def work() -> None:
        with stop_signals():
            logger.error("whole")
            time.sleep(20)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work()
    assert handler.written == ["whole"]
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_waits_until_an_import_has_let_go_of_its_lock(kind: signal.Signals) -> None:
    whole: list[str] = []
    code = "signal.raise_signal(kind); whole.append('whole')"

    def work() -> None:
        with stop_signals():
            exec(compile(code, IMPORT, "exec"), {"signal": signal, "kind": kind, "whole": whole})
            time.sleep(20)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work()
    assert whole == ["whole"]
    assert time.monotonic() - began < 10


def test_a_stop_elsewhere_arrives_at_once() -> None:
    went_on = []

    def work() -> None:
        with stop_signals():
            signal.raise_signal(signal.SIGTERM)
            went_on.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not went_on


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_stop_that_arrives_when_all_is_said_changes_no_exit_code(name: str) -> None:
    code = f"""
import atexit, signal, sys
import study
from study import Study
from study.running.stop_signals import IMPORT, stop_signals
atexit.register(signal.raise_signal, signal.{name})
try:
    with stop_signals(last=True):
        signal.raise_signal(signal.{name})
except KeyboardInterrupt:
    signal.raise_signal(signal.{name})
    sys.exit(130)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, done.stderr) == (130, "")


SLOW = """
import time
import study

class Slow(study.Training):
    metrics = (study.lower("loss"),)
    state = ("x",)

    def __init__(self, config, data, seed, device):
        self.steps, self.x = 100_000, 0.0

    def step(self, t):
        time.sleep(0.02)
        self.x += 1
        return {"loss": self.x}

STUDY = study.Study(title="Slow", training=Slow, arms={"a": {}})
"""


def test_a_stop_within_code_that_is_run_from_c_changes_no_exit_code(tmp_path: Path) -> None:
    """As in Ray's library, while it is imported: `python -m` would end by SIGINT, though it was caught."""
    code = """
import ctypes, sys
from study.running.stop_signals import stop_signals
run = ctypes.pythonapi.PyRun_String
run.restype, run.argtypes = ctypes.py_object, [ctypes.c_char_p, ctypes.c_int, ctypes.py_object, ctypes.py_object]
within, namespace = b"import signal; signal.raise_signal(signal.SIGTERM)", {}
FILE = 257
try:
    with stop_signals(last=LAST):
        run(within, FILE, namespace, namespace)
except KeyboardInterrupt:
    print("caught")
sys.exit(130)
"""

    def ended(last: bool) -> tuple[str, int]:
        (tmp_path / "stopped.py").write_text(code.replace("LAST", str(last)))
        words = [sys.executable, "-m", "stopped"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=HANG)
        return done.stdout, done.returncode

    assert ended(last=False) == ("caught\n", -signal.SIGINT)  # what CPython does
    assert ended(last=True) == ("caught\n", 130)


@pytest.mark.parametrize("how", [["--in-process"], []])
def test_signals_ignored_at_the_start_stay_ignored_and_sigterm_stops(runs: Runs, how: list[str]) -> None:
    """As under `nohup study tune ... &` in a script."""
    (runs.folder / "slow.py").write_text(SLOW)
    before = {kind: signal.signal(kind, signal.SIG_IGN) for kind in (signal.SIGINT, signal.SIGHUP)}
    try:
        run = runs.begin("tune", "slow.py", "--seeds", "1", *how)
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    wait_until(lambda: any(runs.folder.glob("results/trials/*/lock")), "the training's start")
    time.sleep(2)
    for kind in (signal.SIGINT, signal.SIGHUP):
        os.kill(run.pid, kind)
    time.sleep(2)
    assert run.poll() is None
    os.kill(run.pid, signal.SIGTERM)
    _, err = run.communicate(timeout=HANG)
    assert run.returncode == 130, err
    assert "Stopped; what was trained is kept." in err
    assert how or any(runs.folder.glob("results/trials/*/checkpoint*"))


def test_a_sigterm_within_a_fork_while_ray_starts_is_heard_later() -> None:
    code = """
import os, signal
from study.running.ray_session import ray_session
import study
from study import Study
from study.running.stop_signals import check_stop
from study.running.scratch import workspace
sent = []
os.register_at_fork(before=lambda: sent or sent.append(True) or signal.raise_signal(signal.SIGTERM))
try:
    with workspace() as folder, ray_session(None, folder):
        print("Ray has started", sent)
        check_stop()
except KeyboardInterrupt:
    print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG)
    assert done.stdout == "Ray has started [True]\nstopped\n", done.stderr


class Stopped(study.Training):
    """Is interrupted in the step that a test names."""

    metrics = (study.lower("loss"),)
    state = ("x",)
    version = "1"
    at = -1

    def __init__(self, *_: Any) -> None:
        self.steps, self.x = 20, 0.0

    def step(self, t: int) -> dict[str, Any]:
        if t == self.at:
            raise KeyboardInterrupt
        self.x += random.random()
        return {"loss": self.x}


def test_a_trial_interrupted_within_its_steps_continues_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Study(title="Stopped", training=Stopped, arms={"a": {}})

    def ran(storage: str) -> list[float]:
        table = study.run(one, seeds=1, storage=tmp_path / storage, in_process=True, progress=False)
        return list(table.loss)

    whole = ran("whole")
    monkeypatch.setattr(Stopped, "at", 10)
    with pytest.raises(KeyboardInterrupt):
        ran("cut")
    monkeypatch.undo()
    assert ran("cut") == whole
