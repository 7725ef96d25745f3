"""A scene of a fault: a folder with a study, real runs of it, and what an undisturbed run gives."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from subjects import IMAGES, Subject

from study.store.checkpoint_file import decoded_state

TUNE = ("tune", "chaos.py", "--seeds", "2", "--checkpoint-every", "0.2", "--max-failures", "20")
INJECT = Path(__file__).with_name("inject")
MARK = "STUDY_CHAOS_RUN"
RUN_SECONDS = 900.0
TRIALS = 4
BEGUN: list[str] = []


class Violation(AssertionError):
    """An invariant that did not hold."""


def require(true: bool, said: str) -> None:
    if not true:
        raise Violation(said)


def crowded() -> float:
    """How many processes want each core, at least 1: what takes a second alone takes so many then."""
    return max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))


@dataclass
class Run:
    """One `study tune` that was begun."""

    process: subprocess.Popen[str]
    mark: str
    begun: float

    def end(self, seconds: float = RUN_SECONDS) -> tuple[int, str]:
        """Exit code and stderr. A run that does not end is a violation."""
        try:
            _, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            _, err = self.process.communicate()
            raise Violation(f"did not end within {seconds:g} s; it said:\n{err}") from None
        return self.process.returncode, err

    def kill(self) -> None:
        """The power fails: every process of the run is gone at once."""
        for process in marked(self.mark):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def workers(self) -> list[psutil.Process]:
        """Those that train, or are about to: their titles say so, in Tune's words."""
        return working(self.mark)


@dataclass
class Scene:
    """A folder, and the runs in it."""

    folder: Path
    subject: Subject = IMAGES
    words: tuple[str, ...] = TUNE
    environment: Mapping[str, str] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "attempts").mkdir(parents=True, exist_ok=True)
        self.subject.write(self.folder)

    @property
    def storage(self) -> Path:
        return self.folder / "results"

    def begin(self, fault: Mapping[str, Any] | None = None, *words: str, **more: str) -> Run:
        """Start the study; `fault` is what inject/sitecustomize.py is to do."""
        mark = uuid.uuid4().hex
        self.marks.append(mark)
        BEGUN.append(mark)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STUDY_")}
        path = [str(INJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment |= {
            "PYTHONPATH": os.pathsep.join(path),
            "STUDY_CHAOS_ATTEMPTS": str(self.folder / "attempts"),
        }
        environment |= {MARK: mark, "NO_COLOR": "1", "COLUMNS": "200", **self.environment, **more}
        if fault:
            told = {"file": "", "lasting": False, "nth": 1, **fault}
            environment["STUDY_CHAOS"] = json.dumps({**told, "mark": str(self.folder / f"struck-{mark}")})
        process = subprocess.Popen(
            [sys.executable, "-m", "study", *(words or self.words)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return Run(process, mark, time.monotonic())

    def struck(self, run: Run) -> bool:
        return (self.folder / f"struck-{run.mark}").exists()

    def attempts(self, since: float = 0.0) -> dict[str, list[tuple[float, float]]]:
        """Of each trial's attempts, the seconds of training that each began and ended with."""
        found: dict[str, list[tuple[float, float]]] = {}
        for path in sorted((self.folder / "attempts").iterdir()):
            key, _, begun = path.name.partition("-")
            noted = path.read_text().split()
            if noted and int(begun) / 1e9 > since:  # not killed before it could say with what it begins
                found.setdefault(key, []).append((float(noted[0]), float(noted[1])))
        return found

    def lost(self) -> list[float]:
        """How many seconds of training went with each attempt at a trial that another one followed."""
        return [
            before[1] - after[0]
            for attempts in self.attempts().values()
            for before, after in itertools.pairwise(attempts)
        ]

    def unsaved(self, run: Run) -> list[float]:
        """How many seconds of training the checkpoint of each trial lacks that the run did not finish."""
        trials = self.trials()
        return [
            attempts[-1][1] - (self.checkpoint(key)["seconds"] if "checkpoint.pt" in trials[key] else 0.0)
            for key, attempts in self.attempts(since=run.begun).items()
            if "result.json" not in trials[key]
        ]

    def checkpoint(self, key: str) -> dict[str, Any]:
        content = (self.storage / "trials" / key / "checkpoint.pt").read_bytes()[32:]
        return decoded_state(content)

    def trials(self) -> dict[str, set[str]]:
        """The files of each trial."""
        folders = (self.storage / "trials").glob("*")
        return {folder.name: {path.name for path in folder.iterdir()} for folder in folders}

    def results(self) -> dict[str, tuple[bytes, int]]:
        """What the finished trials' files hold, and when the result was written."""
        found = {}
        for path in sorted((self.storage / "trials").glob("*/result.json")):
            content = path.read_bytes() + (path.parent / "curve.parquet").read_bytes()
            found[path.parent.name] = (content, path.stat().st_mtime_ns)
        return found

    def end(self) -> None:
        """Leave no process behind, whatever happened."""
        for process in marked(*self.marks):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def marked(*marks: str) -> list[psutil.Process]:
    """The living processes of these runs; of all that this process began, if none is named."""
    wanted = {f"{MARK}={mark}".encode() for mark in marks or BEGUN}
    return [process for process in psutil.process_iter() if wanted & set(environ(process))]


def working(*marks: str) -> list[psutil.Process]:
    """The workers of these runs."""
    found = []
    for process in marked(*marks):
        with contextlib.suppress(psutil.Error):
            found += [process] if "Trainable" in " ".join(process.cmdline()) else []
    return found


def environ(process: psutil.Process) -> list[bytes]:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return []
        return Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    except (psutil.NoSuchProcess, OSError):
        return []


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@contextlib.contextmanager
def scene(folder: Path, **changes: Any) -> Iterator[Scene]:
    made = Scene(folder, **changes)
    try:
        yield made
    finally:
        made.end()


def outcomes(storage: Path) -> dict[str, Any]:
    """Everything of a storage that must not differ: results without provenance, curves, tables, figures."""
    found: dict[str, Any] = {}
    for path in (storage / "trials").glob("*/result.json"):
        result = json.loads(path.read_text())
        del result["provenance"], result["sha256"]
        found[path.parent.name] = (result, (path.parent / "curve.parquet").read_bytes())
    for path in [*storage.glob("tables/*"), *storage.glob("figures/*")]:
        found[path.name] = path.read_bytes()
    return found
