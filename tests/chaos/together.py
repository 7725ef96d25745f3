"""Two runs on one storage at the same time, a clock that jumps, and trials that misbehave."""

from __future__ import annotations

import contextlib
import os
import random
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chain import settle
from faults import moment
from scene import STUDY_FILE, TRIALS, TUNE, Scene, outcomes, require, wait_until


def two_runs_train_each_trial_once(stage: Scene, reference: dict[str, Any]) -> int:
    """Two of the same command at the same time: both end well, and no trial is trained by both."""
    runs = [stage.begin(), stage.begin()]
    ended = [run.end() for run in runs]
    for code, err in ended:
        require(code == 0, f"exit code {code}:\n{err}")
        require("Traceback" not in err, f"a traceback:\n{err}")
    trained = sum(err.count(": top-1 test accuracy") for _, err in ended)
    require(trained == TRIALS, f"{TRIALS} trials were trained {trained} times:\n{ended[0][1]}\n{ended[1][1]}")
    settle(stage, reference)
    return 1


def overlapping_runs(stage: Scene, reference: dict[str, Any], seed: int) -> int:
    """Two studies that share trials, one of them killed in the middle: the other goes on with its trials."""
    (stage.folder / "other.py").write_text(STUDY_FILE.replace("[2, 3]", "[3, 4]").replace("Chaos", "Other"))
    first = stage.begin()
    second = stage.begin(None, "tune", "other.py", *TUNE[2:])
    moment(stage, first, in_training=True, after=random.Random(seed).uniform(0, 2))
    first.kill()
    first.end()
    code, err = second.end()
    require(code == 0, f"exit code {code}:\n{err}")
    code, err = stage.begin().end()
    require(code == 0, f"exit code {code}:\n{err}")
    found = outcomes(stage.storage)
    wrong = [name for name in reference if found.get(name) != reference[name]]
    require(not wrong, f"not the bits of an undisturbed run: {wrong}")
    return 2


def a_clock_that_jumps(stage: Scene, reference: dict[str, Any], seed: int) -> int:
    """Python's wall clock leaps forwards or backwards by days while trials run, and after a kill."""
    days = random.Random(seed).sample([-3, 1, -365, 40], 2)
    clock = stage.folder / "seconds-ahead"
    clock.write_text("0")
    jumps = {"point": "", "when": "", "who": "", "clock": str(clock)}
    run = stage.begin(jumps)
    moment(stage, run, in_training=True, after=0.3)
    clock.write_text(str(days[0] * 86400))
    moment(stage, run, in_training=False, after=1.0)
    run.kill()
    run.end()
    clock.write_text(str(days[1] * 86400))
    for path in stage.storage.rglob("*.*"):
        os.utime(path, (0, time.time() + days[1] * 86400))
    code, err = stage.begin(jumps).end()
    require(code == 0, f"exit code {code}:\n{err}")
    settle(stage, reference)
    return 2


NETWORKS = '''
import ctypes
import os
import time

import torch
from torch import nn


class Misbehaves(nn.Module):
    """Does `what` at its 200th training step."""

    def __init__(self, what, config):
        super().__init__()
        self.layer = nn.Linear(784, 10)
        self.what = what
        self.steps = 0
        self.kept = []

    def forward(self, images):
        self.steps += self.training
        if self.steps >= 200:
            self.what(self)
        return self.layer(images.flatten(1))


def sleep(self):
    time.sleep(3600)

def hang(self):
    sum(range(10**15))  # in C, where no signal is heard

def leak(self):
    with open(os.environ["CHAOS_CGROUP"], "w") as processes:
        processes.write(str(os.getpid()))
    while True:
        self.kept.append(bytearray(b"x" * 20_000_000))

def fail(self):
    raise ArithmeticError("as it is meant to")

def leave(self):
    raise SystemExit(7)

def crash(self):
    ctypes.string_at(0)

def memory(self):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

def nan(self):
    with torch.no_grad():
        self.layer.weight.fill_(float("nan"))
'''
MISBEHAVIOURS = {
    "sleep": "took longer than --trial-timeout 20 (seconds)",
    "hang": "(tried 2 times)",
    "leak": "(tried 2 times)",
    "fail": "ArithmeticError: as it is meant to",
    "leave": "SystemExit: 7",
    "crash": "(tried 2 times)",
    "memory": "give it more with --gpus-per-trial",
    "nan": "diverged at step 200",
}


@contextlib.contextmanager
def little_memory(bytes_: int = 300_000_000) -> Iterator[str | None]:
    """The file of a control group to which a process adds itself to get no more than this; None without.

    The kernel ends what asks for more, as it does when a machine's whole memory is gone.
    """
    for root, limit in (("memory", "memory.limit_in_bytes"), (".", "memory.max")):
        group = Path("/sys/fs/cgroup", root, f"chaos-{uuid.uuid4().hex}")
        try:
            group.mkdir()
            (group / limit).write_text(str(bytes_))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        yield str(group / "cgroup.procs")
        wait_until(lambda group=group: not (group / "cgroup.procs").read_text(), 30)
        group.rmdir()
        return
    yield None


def misbehaving_trials(stage: Scene, reference: dict[str, Any], kinds: list[str]) -> int:
    """Each of these trials is affected alone: the others end with their bits, and every failure is told."""
    functions = [f"def {kind}_network(config):\n    return Misbehaves({kind}, config)\n" for kind in kinds]
    (stage.folder / "networks.py").write_text(NETWORKS + "\n".join(functions))
    arms: dict[str, Any] = {str(width): {"width": width} for width in (2, 3)}
    arms |= {kind: {"model": f"networks:{kind}_network"} for kind in kinds}
    fixed = {"dataset": "digits", "batch_size": 16, "epochs": 8, "momentum": 0.5}
    (stage.folder / "mixed.py").write_text(
        f"from study import Study\nSTUDY = Study(title='Mixed', arms={arms!r}, fixed={fixed!r})\n"
    )
    words = ("tune", "mixed.py", "--seeds", "1", "--trial-timeout", "20", "--max-failures", "1")
    with little_memory() as group:
        code, err = stage.begin(None, *words, CHAOS_CGROUP=group or "").end()
    failing = [kind for kind in kinds if kind != "nan"]
    require(code == (1 if failing else 0), f"exit code {code}:\n{err}")
    for kind in kinds:
        lines = [line for line in err.splitlines() if f"mixed {kind} seed 0" in line]
        require(any(MISBEHAVIOURS[kind] in line for line in lines), f"{kind} was not said:\n{err}")
    require(err.count(": top-1 test accuracy") == 2, f"a good trial was affected:\n{err}")
    shared = {key: of for key, of in outcomes(stage.storage).items() if key in reference}
    require(len(shared) == 2, "the good trials are not those of the undisturbed run")
    require(all(of == reference[key] for key, of in shared.items()), "not the bits of an undisturbed run")
    return len(kinds)
