"""Chains of faults on one storage, and the invariants after each and at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from faults import Fault
from scene import TRIALS, Scene, crowded, outcomes, require, scene, wait_until, working
from world import World

# A chain of more is no harder than two of these.
LINKS = 5
# A trial reports once a second and saves then; the rest is the time that saving takes.
INTERVAL_SECONDS = 5.0
# Of each attempt at a trial that was killed or stopped, how many seconds of training went with it.
LOST: list[float] = []


def disturb(folder: Path, world: World, faults: Sequence[Fault], say: Callable[[str], None]) -> list[int]:
    """Let the faults happen one after another, each in a run that continues what the one before left.

    Where a run gets to the end of the study, the next one begins a new storage. Gives how often each fault
    struck: 0 where the run was over before. Raises Violation.
    """
    times: list[int] = []
    while len(times) < len(faults):
        with scene(folder / f"scene-{len(times)}", subject=world.subject) as stage:
            load = crowded()
            while len(times) < len(faults) and not complete(stage):
                fault = faults[len(times)]
                say(fault.said)
                times.append(link(stage, fault))
                load = max(load, crowded())
            settle(stage, world.reference)
            lost = stage.lost()
            LOST.extend(lost)
            require(
                max(lost, default=0) <= INTERVAL_SECONDS * load, f"of training were lost (I5), in s: {lost}"
            )
    return times


def link(stage: Scene, fault: Fault) -> int:
    """One fault in one run; what was finished before it must be as it was. How often it struck."""
    before = stage.results()
    run = stage.begin(fault.spec)
    code, err = fault.strike(stage, run)
    struck = fault.struck(stage, run, code)
    require(code in (fault.codes if struck else {0}), f"exit code {code}, not {fault.codes}:\n{err}")
    require("Traceback" not in err, f"a traceback:\n{err}")
    after = stage.results()
    require(before.items() <= after.items(), "a finished trial was lost or trained again")
    return fault.times if struck else 0


def complete(stage: Scene) -> bool:
    return len(stage.results()) == TRIALS


def settle(stage: Scene, reference: dict[str, Any]) -> None:
    """The same command once more, undisturbed: every invariant holds."""
    # Workers whose driver was killed live on for seconds, and save what they have.
    require(wait_until(lambda: not working(*stage.marks), 60), "workers live on without their driver (I7)")
    before, unfinished = stage.results(), interrupted(stage)
    code, err = stage.begin().end()
    require(code == 0, f"exit code {code} at the end:\n{err}")
    require("Traceback" not in err, f"a traceback:\n{err}")
    require(before.items() <= stage.results().items(), "a finished trial was lost or trained again (I3)")
    require(outcomes(stage.storage) == reference, f"not the bits of an undisturbed run (I1, I2, I4, I6): "
            f"{differing(outcomes(stage.storage), reference)}")  # fmt: skip
    for name, step in unfinished.items():
        said = f"{name}: continues at step {step}" if step else f"{name}: starts anew"
        require(said in err, f"{said!r} was not said (I5, I8):\n{err}")
    left = [path for path in stage.storage.rglob("*") if path.is_file()]
    litter = [str(path) for path in left if path.parent.parent.name == "trials"
              and path.name not in ("result.json", "curve.parquet")]  # fmt: skip
    litter += [str(path) for path in left if path.name.endswith(".tmp")]
    require(not litter, f"left behind (I7): {litter}")


def interrupted(stage: Scene) -> dict[str, int]:
    """The unfinished trials that a killed process left, by name, with the step of their checkpoint."""
    record = stage.storage / "studies/chaos.json"
    if not record.exists():
        return {}
    names = {
        key: f"chaos {arm['label']} seed {seed}"
        for arm in json.loads(record.read_text())["arms"]
        for seed, key in enumerate(arm["candidates"][0]["keys"])
    }
    found = {}
    for key, files in stage.trials().items():
        if "checkpoint.pt" in files and "result.json" not in files:
            found[names[key]] = stage.checkpoint(key)["history"]["step"]
        elif "lock" in files and "result.json" not in files:
            found[names[key]] = 0
    return found


def differing(ours: dict[str, Any], reference: dict[str, Any]) -> list[str]:
    names = sorted(ours.keys() | reference.keys())
    return [name for name in names if ours.get(name) != reference.get(name)]
