"""Everything that is played: chains of faults, damaged files, runs side by side; each from a seed."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import damage
import together
from chain import LINKS, disturb
from faults import Fault
from scene import Scene, scene
from subjects import MISBEHAVIOURS
from world import World

Counts = dict[str, int]
# By how the name of a kind begins; others check all but how much work was lost.
HELD = {
    "SIG": "I1-I8",
    "several files of a finished storage damaged": "I1, I2, I4, I6-I8",
    "checkpoints damaged": "I1, I2, I4, I6-I8",
    "a storage written by a newer version": "I3, I8",
    "two overlapping studies": "I1, I2, I4, I6, I8",
    "trials that": "I1, I4, I8: the other trials are whole",
}


def held(kind: str) -> str:
    """The invariants that the acts of this kind of fault check; docs/reliability.md has them in words."""
    for begin, checked in HELD.items():
        if kind.startswith(begin):
            return checked
    return "I8: noticed, or the data are what was written" if "or a bit flipped" in kind else "I1-I4, I6-I8"


@dataclass(frozen=True)
class Act:
    """Plays in a folder of its own and gives how many faults of each kind struck. Raises Violation."""

    name: str
    play: Callable[[Path, World, Callable[[str], None]], Counts]


def chain_of(faults: list[Fault]) -> Act:
    def play(folder: Path, world: World, say: Callable[[str], None]) -> Counts:
        times = disturb(folder, world, faults, say)
        counts: Counts = collections.Counter()
        for fault, n in zip(faults, times, strict=True):
            counts[fault.kind] += n
        return counts

    return Act("chain", play)


def staged(kind: str, play: Callable[[Scene, World], int]) -> Act:
    """An act of one scene and one kind of fault."""

    def in_scene(folder: Path, world: World, say: Callable[[str], None]) -> Counts:
        say(kind)
        with scene(folder, subject=world.subject) as stage:
            return {kind: play(stage, world)}

    return Act(kind, in_scene)


def chains(faults: list[Fault]) -> Iterator[Act]:
    for first in range(0, len(faults), LINKS):
        yield chain_of(faults[first : first + LINKS])


def every_cut_and_bit(seed: int, n: int | None) -> Act:
    """`n` cuts and `n` flipped bits of each kind of file; all without."""

    def play(folder: Path, world: World, say: Callable[[str], None]) -> Counts:
        say("each file cut at every byte, and a bit of every byte flipped")
        return damage.every_damage_is_noticed(world.finished, folder, world.checkpoint, seed, n)

    return Act("files", play)


def others(seed: int) -> list[Act]:
    """One of each kind that is not a chain."""
    misbehaving = [kind for kind in MISBEHAVIOURS if kind not in ("hang", "crash")]
    return [
        staged("several files of a finished storage damaged",
               lambda at, of: damage.a_damaged_storage_is_mended(at, of.finished, of.reference, seed)),
        staged("checkpoints damaged after a kill",
               lambda at, of: damage.a_damaged_checkpoint_starts_anew(at, of.reference, seed)),
        staged("old temporary files, locks and checkpoints left behind",
               lambda at, of: damage.what_lies_about_is_cleared_away(at, of.finished, of.reference)),
        staged("a storage written by a newer version",
               lambda at, of: damage.a_newer_storage_is_left_alone(at, of.finished)),
        staged("two runs of a study at the same time",
               lambda at, of: together.two_runs_train_each_trial_once(at, of.reference)),
        staged("two overlapping studies at the same time, one killed",
               lambda at, of: together.overlapping_runs(at, of.reference, seed)),
        staged("a clock that jumps", lambda at, of: together.a_clock_that_jumps(at, of.reference, seed)),
        staged("trials that sleep, leak, raise, exit, run out of GPU memory, give NaN",
               lambda at, of: together.misbehaving_trials(at, of.reference, misbehaving)),
        staged("trials that hang in C, or crash their process",
               lambda at, of: together.misbehaving_trials(at, of.reference, ["hang", "crash"])),
    ]  # fmt: skip
