"""What a storage knows of how long trials take: those that were trained on such a machine, with as many threads."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from inspect import getattr_static
from typing import Any

from study.plan import Plan, Trial
from study.provenance import cpu_model, hardware
from study.running.measured_times import Takes, names, remember, remembered
from study.running.resources import Resources
from study.store.files import StorageError
from study.store.records import Damaged
from study.store.trial_store import MOST_CURVE_BYTES, TrialStore
from study.training import Training

# So many results of trials with the same load are enough, and reading more than these seconds is too long.
ENOUGH, READ_SECONDS = 5, 1.0
# A curve of few steps takes this much.
EMPTY_CURVE_BYTES = 2000

# The name of a training, its hyperparameters but for those that leave the load as it is, the fingerprint of its data,
# its threads, the device.
Load = tuple[str, str, str, int, str]
# What a trial is asked for by: its training, its config (which the trials of an arm share), its share of a node.
Asked = tuple[str, int, Resources]


@dataclass
class Known:
    """takes: by key, what a trial takes. ratios: what single ones took, of the median of those with the same load.

    measured: how many of them by some of their steps. roughly: whether some of it comes from those, or from trials with
    more or with less work. cut_short: whether there are finished trials of others that were not looked at, for want of
    time.
    """

    takes: dict[str, Takes] = field(default_factory=dict)
    measured: int = 0
    roughly: bool = False
    ratios: list[float] = field(default_factory=list)
    cut_short: bool = False


@dataclass
class _Like:
    """Finished trials of one config: what they took, and what one of them takes in the storage."""

    config: dict[str, Any]
    result_bytes: int
    curve_bytes: int
    seconds: list[float] = field(default_factory=list)


# By load and config.
Finished = dict[Load, dict[str, _Like]]


def known(
    plan: Plan, store: TrialStore, shares: Mapping[str, Resources], here: bool, anew: bool = False
) -> Known:
    """What the trials to train will take, as far as finished trials with the same load tell, or steps measured before.

    Those are of the same training, data and hyperparameters, but for those in `Training.same_load`; where these change
    its work, the time is scaled with it, if the training says what its work is (`Training.cost`). They ran with as many
    threads, on a processor and on a GPU like this machine's (`here`) or on any that has a GPU if this has (a cluster).
    Steps that were measured before don't count where they are to be measured `anew`.
    """
    asked = _asked(plan, shares, here)
    found, finished = Known(), Finished()
    if asked:
        found.cut_short = _read(plan, store, {load for load, _ in asked.values()}, here, finished)
    kept = set() if anew else names(store)
    told: dict[Asked, tuple[Takes | None, bool, bool]] = {}
    for trial in plan.pending:
        same = _same(trial, shares)
        if same not in told:
            load, config = asked[same]
            like = finished.get(load, {})
            takes, scaled = _taken(plan, trial, like, config)
            steps = None
            if takes is None or scaled:  # no such trial has finished
                steps = remembered(store, _kind(load, config, here), kept)
            told[same] = steps or takes, scaled and not steps, steps is not None
        takes, scaled, measured = told[same]
        if takes is not None:
            found.takes[trial.key] = takes
        found.measured += measured
        found.roughly = found.roughly or scaled or measured
    several = [one.seconds for like in finished.values() for one in like.values() if len(one.seconds) > 1]
    found.ratios = [seconds / statistics.median(every) for every in several for seconds in every]
    return found


def keep_measured(
    plan: Plan, store: TrialStore, shares: Mapping[str, Resources], here: bool, took: Mapping[str, Takes]
) -> None:
    """Let the storage know what pending trials take, by key, so that `known` tells it. Raises StorageError."""
    asked = _asked(plan, shares, here)
    of = {_same(trial, shares): took[trial.key] for trial in plan.pending if trial.key in took}
    for same, takes in of.items():
        remember(store, _kind(*asked[same], here), takes)


def _same(trial: Trial, shares: Mapping[str, Resources]) -> Asked:
    return trial.training, id(trial.config), shares[trial.key]


def _asked(
    plan: Plan, shares: Mapping[str, Resources], here: bool
) -> dict[Asked, tuple[Load, dict[str, Any]]]:
    """Of the pending trials, what their time depends on, and their config."""
    asked: dict[Asked, tuple[Load, dict[str, Any]]] = {}
    gpu = _gpu() if here and any(share.gpus for share in shares.values()) else "any"
    for trial in plan.pending:
        if (same := _same(trial, shares)) not in asked:
            config, share = trial.config.model_dump(mode="json"), shares[trial.key]
            kept, device = _kept(plan.trainings[trial.training], config), gpu if share.gpus else "cpu"
            asked[same] = (trial.training, kept, trial.data, share.threads, device), config
    return asked


def _kind(load: Load, config: dict[str, Any], here: bool) -> dict[str, Any]:
    """What a measurement's record says it is of."""
    training, _, data, threads, device = load
    cpu = cpu_model() if here else "any"
    return {
        "training": training, "config": config, "data": data, "threads": threads, "device": device, "cpu": cpu,
    }  # fmt: skip


def _taken(
    plan: Plan, trial: Trial, like: Mapping[str, _Like], config: dict[str, Any]
) -> tuple[Takes | None, bool]:
    """What the trial takes, and whether that is scaled from trials with another work."""
    exact = like.get(_text(config))
    if exact:
        return Takes(statistics.median(exact.seconds), exact.result_bytes + exact.curve_bytes), False
    kind = plan.trainings[trial.training]
    if getattr_static(kind, "cost") is getattr_static(Training, "cost"):
        return None, False  # it does not say what its work is
    ratios: list[tuple[float, float, _Like]] = []
    for one in like.values():
        try:
            data = plan.data.load(kind, trial.config)
            other = kind.cost(kind.Config.model_validate(one.config), data).work
            ratio = kind.cost(trial.config, data).work / other
            ratios.append((abs(math.log(ratio)), ratio, one))
        except Exception:  # a config of an earlier version, or what a user's own `cost` stumbles over
            continue
    if not ratios:
        return None, False
    _, ratio, nearest = min(ratios, key=lambda found: found[0])
    curve = EMPTY_CURVE_BYTES + ratio * (nearest.curve_bytes - EMPTY_CURVE_BYTES)
    disk = nearest.result_bytes + int(curve)
    return Takes(statistics.median(nearest.seconds) * ratio, disk), ratio != 1


def _read(plan: Plan, store: TrialStore, loads: Collection[Load], here: bool, finished: Finished) -> bool:
    """Add what finished trials with these loads took, first the plan's own; whether others were left unread."""

    def add(keys: Collection[str]) -> bool:
        """Whether some were left out."""
        until = time.monotonic() + READ_SECONDS
        for key in sorted(keys):
            if time.monotonic() > until:
                return True
            _add(plan, store, key, loads, here, finished)
        return False

    add(plan.stored)
    if all(load in finished for load in loads):  # others need not be read
        return False
    try:
        return add(store.states().finished - plan.stored)
    except StorageError:  # the run itself says so
        return True


def _add(
    plan: Plan, store: TrialStore, key: str, loads: Collection[Load], here: bool, finished: Finished
) -> None:
    try:
        result = store.result(key)
        came_from, config = result["provenance"], result["config"]
        if result["status"] != "finished" or result["training"] not in plan.trainings:
            return
        device = came_from["device"] if here or came_from["device"] == "cpu" else "any"
        kept = _kept(plan.trainings[result["training"]], config)
        load = result["training"], kept, result["data"], came_from.get("threads", 1), device
        if (
            load not in loads
            or (here and came_from["cpu"] != cpu_model())
            or came_from["training_seconds"] <= 0
        ):
            return
        like = finished.setdefault(load, {})
        one = like.get(_text(config)) or _new(store, key, config)
        like[_text(config)] = one
    # The run itself says what can't be read; a field that is not checked may be anything.
    except (Damaged, StorageError, TypeError):
        return
    if len(one.seconds) < ENOUGH:
        one.seconds.append(came_from["training_seconds"])


def _new(store: TrialStore, key: str, config: dict[str, Any]) -> _Like:
    files = (
        store.files.read(f"trials/{key}/{name}", MOST_CURVE_BYTES)
        for name in ("result.json", "curve.parquet")
    )
    result, curve = (len(content or b"") for content in files)
    return _Like(config, result, curve)


def _gpu() -> str:
    """What this machine's GPU calls itself; nothing where there is none that torch can use, whatever Ray was told."""
    try:
        return str(hardware("cuda", 1)["device"])
    except (RuntimeError, AssertionError):  # no driver; a torch without CUDA
        return ""


def _kept(kind: type[Training], config: Mapping[str, Any]) -> str:
    return _text({name: value for name, value in config.items() if name not in kind.same_load})


def _text(config: Mapping[str, Any]) -> str:
    return json.dumps(config, sort_keys=True)
