"""Faults of processes: what is killed, signalled or refused, and when. Drawn from a seed."""

from __future__ import annotations

import contextlib
import itertools
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
from scene import Run, Scene, crowded, require, wait_until

KILLED = -signal.SIGKILL
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
CLEAN_STOP_SECONDS = 10.0  # with a core for each process that wants one
# What a run may take to save its first checkpoint, on a machine with other work.
FIRST_CHECKPOINT_SECONDS = 300.0


@dataclass
class Fault:
    """One fault. `kind` is its row in the table, `codes` the exit codes that tell the truth after it."""

    kind: str
    said: str
    codes: set[int]
    spec: dict[str, Any] | None = None
    times: int = 1

    def strike(self, scene: Scene, run: Run) -> tuple[int, str]:
        """Let it happen; exit code and stderr of the run."""
        return run.end()

    def struck(self, scene: Scene, run: Run, code: int) -> bool:
        return scene.struck(run)


@dataclass
class Kill(Fault):
    """Processes killed from outside, some time after the run began or saved its first checkpoint."""

    who: str = "all"
    after: float = 0.0
    in_training: bool = True

    def strike(self, scene: Scene, run: Run) -> tuple[int, str]:
        moment(scene, run, self.in_training, self.after)
        if self.who == "all":
            run.kill()
        elif run.process.poll() is None:
            run.process.kill()
        return run.end()

    def struck(self, scene: Scene, run: Run, code: int) -> bool:
        return code == KILLED


@dataclass
class KillWorkers(Fault):
    """One worker after another, in the same run, which replaces them."""

    pauses: list[float] = field(default_factory=list)
    times: int = 0

    def strike(self, scene: Scene, run: Run) -> tuple[int, str]:
        def there() -> bool:
            return bool(run.workers()) or run.process.poll() is not None

        for pause in self.pauses:
            if not wait_until(there, 60):
                break
            time.sleep(pause)
            wait_until(there, 60)  # it may be between two trials
            for worker in run.workers()[:1]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.kill()
                    self.times += 1
        return run.end()

    def struck(self, scene: Scene, run: Run, code: int) -> bool:
        return self.times > 0


@dataclass
class Signal(Fault):
    """A signal to the driver, once or twice: it saves and stops, or stops at once."""

    name: str = "SIGINT"
    sent: int = 1
    after: float = 0.0
    in_training: bool = True

    def strike(self, scene: Scene, run: Run) -> tuple[int, str]:
        moment(scene, run, self.in_training, self.after)
        for i in range(self.sent):
            if run.process.poll() is None:
                time.sleep(0.3 * i)
                run.process.send_signal(getattr(signal, self.name))
        last_sent = time.monotonic()
        code, err = run.end()
        seconds = time.monotonic() - last_sent
        if code < 0 and "trials: " not in err:
            return 0, ""  # ended while Python still imported: nothing had begun
        if code != 0:
            require(
                "To continue: study tune chaos.py" in err,
                f"exit code {code}, no word on how to go on:\n{err}",
            )
            require(seconds <= CLEAN_STOP_SECONDS * crowded(), f"took {seconds:.1f} s to stop")
        if code == 130 and self.sent == 1:
            unsaved = scene.unsaved(run)
            # Both are the same float, but for the digits of the note.
            require(max(unsaved, default=0) < 1e-5, f"a stop left training unsaved, in s: {unsaved}")
        return code, err

    def struck(self, scene: Scene, run: Run, code: int) -> bool:
        return code == 130


def moment(scene: Scene, run: Run, in_training: bool, after: float) -> None:
    """Wait until the run trains and has saved something since it began, if wanted; then for so long."""

    if in_training:
        wait_until(lambda: run.process.poll() is not None or bool(ages(scene, run)), FIRST_CHECKPOINT_SECONDS)
    wait_until(lambda: run.process.poll() is not None, after)


def ages(scene: Scene, run: Run) -> list[float]:
    """How many seconds ago this run saved each of its unfinished trials."""
    found = []
    for path in (scene.storage / "trials").glob("*/checkpoint.pt"):
        with contextlib.suppress(FileNotFoundError):
            age = time.time() - path.stat().st_mtime
            found += [age] if age < time.monotonic() - run.begun else []
    return found


STORE_POINTS = [
    ("write", "before"), ("write", "middle"), ("write", "after"), ("flush", "before"), ("flush", "after"),
    ("rename", "before"), ("rename", "after"),
]  # fmt: skip
CALLS = [
    "study.running.trainable:TrialTrainable.setup",
    "study.running.trial_run:TrialRun.__init__",
    "study.running.trial_run:TrialRun.run",
    "study.running.trial_run:TrialRun.state",
    "study.running.trial_run:TrialRun.resume",
    "study.running.trainable:TrialTrainable.cleanup",
]
WORKER_FILES = ("checkpoint.pt", "curve.parquet", "result.json")
DRIVER_FILES = ("chaos.json", "chaos.csv", "chaos.png", "chaos.svg")
ERRORS = ("ENOSPC", "EIO", "EROFS")


def injected(kind: str, codes: set[int], **spec: Any) -> Fault:
    of = f" of {spec['file']}" if spec.get("file") else ""
    nth = f" (number {spec['nth']})" if spec.get("nth", 1) > 1 else ""
    said = f"{spec['who']}: {spec['do']} {spec['when']} {spec['point']}{of}{nth}"
    return Fault(kind, said, codes, spec)


def at_every_point(rng: random.Random) -> Iterator[Fault]:
    """Each point of the store's work once: before, in the middle of and after."""
    # A worker that is killed alone is replaced, and the run ends well.
    codes = {"kill": {0}, "kill-all": {KILLED}}
    for (point, when), file, do in itertools.product(STORE_POINTS, WORKER_FILES, ("kill", "kill-all")):
        nth = rng.randint(1, 3) if file == "checkpoint.pt" else rng.randint(1, 2)
        told = {"point": point, "when": when, "file": file, "nth": nth, "do": do, "who": "worker"}
        yield injected(f"SIGKILL of a worker in the store's work ({do})", codes[do], **told)
    for when, do in itertools.product(("before", "after"), ("kill", "kill-all")):
        told = {"point": "remove", "when": when, "file": "checkpoint.pt", "do": do, "who": "worker"}
        yield injected(f"SIGKILL of a worker in the store's work ({do})", codes[do], **told)
    for (point, when), file in itertools.product(STORE_POINTS, DRIVER_FILES):
        told = {"point": point, "when": when, "file": file, "do": "kill", "who": "driver"}
        yield injected("SIGKILL of the driver in the store's work", {KILLED}, **told)
    for point, when, do in itertools.product(CALLS, ("before", "after"), ("kill", "kill-all")):
        nth = rng.randint(1, 30) if point.endswith("run") else 1
        told = {"point": point, "when": when, "nth": nth, "do": do, "who": "worker"}
        yield injected(f"SIGKILL of a worker in setup, step, save, load ({do})", codes[do], **told)
    for do, file, point in itertools.product(ERRORS, WORKER_FILES, ("write", "flush", "rename")):
        told = {"point": point, "when": "before", "file": file, "do": do, "who": "worker", "lasting": True}
        yield injected(f"{do} for a worker, lasting", {0, 1}, **told)
    for do, file, point in itertools.product(ERRORS, DRIVER_FILES[:3], ("write", "rename")):
        told = {"point": point, "when": "before", "file": file, "do": do, "who": "driver", "lasting": True}
        yield injected(f"{do} for the driver, lasting", {2} if file == "chaos.json" else {1}, **told)


def at_random(rng: random.Random, kind: str) -> Fault:
    """One fault of this kind at a random time."""
    in_training = rng.random() < 0.7
    after = rng.uniform(0, 2) if in_training else rng.uniform(0.3, 6)
    when = f"{after:.2f} s after {'the first checkpoint' if in_training else 'the start'}"
    if kind in ("all", "driver"):
        said = f"SIGKILL of {'every process' if kind == 'all' else 'the driver'} {when}"
        row = f"SIGKILL of {'every process' if kind == 'all' else 'the driver alone'}, random time"
        return Kill(row, said, {KILLED, 0}, who=kind, after=after, in_training=in_training)
    if kind == "workers":
        pauses = [rng.uniform(0, 2.5) for _ in range(5)]
        times = ", ".join(f"{pause:.2f}" for pause in pauses)
        return KillWorkers("SIGKILL of a worker, random time, up to five in a run",
                           f"SIGKILL of workers after {times} s", {0}, pauses=pauses)  # fmt: skip
    name, sent = rng.choice(SIGNALS), rng.choice((1, 2))
    row = f"{name} {'once' if sent == 1 else 'twice'}"
    return Signal(row, f"{row} {when}", {130, 0}, name=name, sent=sent, after=after,
                  in_training=in_training)  # fmt: skip


def drawn(seed: int, n: int) -> list[Fault]:
    """So many faults: each point of the store's work at most once, at least a third at random times."""
    rng = random.Random(seed)
    points = list(at_every_point(rng))
    faults = rng.sample(points, min(len(points), n - n // 3))
    kinds = itertools.cycle(("all", "signal", "driver", "workers", "signal"))
    while len(faults) < n:
        faults.append(at_random(rng, next(kinds)))
    rng.shuffle(faults)
    return faults
