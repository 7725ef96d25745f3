"""Two runs on one storage at the same time, a clock that jumps, and trials that misbehave."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chain import settle
from faults import moment
from scene import TRIALS, TUNE, Scene, outcomes, require, wait_until
from subjects import MISBEHAVIOURS


def two_runs_train_each_trial_once(stage: Scene, reference: dict[str, Any]) -> int:
    """Two of the same command at the same time: both end well, and no trial is trained by both."""
    runs = [stage.begin(), stage.begin()]
    ended = [run.end() for run in runs]
    for code, err in ended:
        require(code == 0, f"exit code {code}:\n{err}")
        require("Traceback" not in err, f"a traceback:\n{err}")
    trained = sum(err.count(f": {stage.subject.measured}") for _, err in ended)
    require(trained == TRIALS, f"{TRIALS} trials were trained {trained} times:\n{ended[0][1]}\n{ended[1][1]}")
    settle(stage, reference)
    return 1


def overlapping_runs(stage: Scene, reference: dict[str, Any], seed: int) -> int:
    """Two studies that share trials, one of them killed in the middle: the other goes on with its trials."""
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
    stage.subject.write_mixed(stage.folder, kinds)
    for seconds in (20, 80, 320):
        shutil.rmtree(stage.storage, ignore_errors=True)
        words = ("tune", "mixed.py", "--seeds", "1", "--trial-timeout", str(seconds), "--max-failures", "1")
        with little_memory() as group:
            code, err = stage.begin(None, *words, CHAOS_CGROUP=group or "").end()
        late = [line for line in err.splitlines() if "took longer" in line and "mixed sleep " not in line]
        if not late:  # else the machine has so much other work that good trials are cut off too
            break
    failing = [kind for kind in kinds if kind != "nan"]
    require(code == (1 if failing else 0), f"exit code {code}:\n{err}")
    for kind in kinds:
        lines = [line for line in err.splitlines() if f"mixed {kind} seed 0" in line]
        require(any(MISBEHAVIOURS[kind] in line for line in lines), f"{kind} was not said:\n{err}")
    require(err.count(f": {stage.subject.measured}") == 2, f"a good trial was affected:\n{err}")
    shared = {key: of for key, of in outcomes(stage.storage).items() if key in reference}
    require(len(shared) == 2, "the good trials are not those of the undisturbed run")
    require(all(of == reference[key] for key, of in shared.items()), "not the bits of an undisturbed run")
    return len(kinds)
