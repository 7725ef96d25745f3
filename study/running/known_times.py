"""What a storage knows of how long trials take: those that were trained on such a machine, with as many threads."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from study.plan import Plan, Trial
from study.provenance import cpu_model
from study.running.resources import Resources
from study.store.files import StorageError
from study.store.records import Damaged
from study.store.trial_store import TrialStore
from study.training import Training

# So many results of trials with the same load are enough, and reading more than these seconds is too long.
ENOUGH, READ_SECONDS = 5, 1.0

# A curve of few steps takes this much.
EMPTY_CURVE_BYTES = 2000

# The name of a training, its hyperparameters as JSON, the fingerprint of its data, its threads, whether it has a GPU.
Load = tuple[str, str, str, int, bool]


class Takes(NamedTuple):
    """What a trial takes: seconds of training, and bytes of its result and curve in the storage."""

    seconds: float
    disk_bytes: int


@dataclass
class Known:
    """takes: by key, what a trial takes. ratios: what single ones took, of the median of those with the same load.

    scaled: whether some of it comes from trials with more or with less work.
    """

    takes: dict[str, Takes] = field(default_factory=dict)
    scaled: bool = False
    ratios: list[float] = field(default_factory=list)


def known(plan: Plan, store: TrialStore, shares: Mapping[str, Resources], here: bool) -> Known:
    """What the trials to train will take, as far as finished trials with the same load tell.

    Those are of the same training, data and hyperparameters, but for those in `Training.same_load`; where these change
    its work (`Training.cost`), the time is scaled with it. They ran with as many threads, on the processor of this
    machine (`here`) or wherever the storage was filled (a cluster), and with a GPU where the trial will have one.
    """
    # The trials of an arm share their config.
    asked: dict[tuple[str, int, Resources], tuple[Load, float]] = {}
    for trial in plan.pending:
        same = trial.training, id(trial.config), shares[trial.key]
        if same not in asked:
            kind = plan.trainings[trial.training]
            asked[same] = _load(kind, trial, shares[trial.key]), _work(kind, trial.config)
    finished = _finished(plan, store, set(asked.values()), here)
    found = Known()
    for trial in plan.pending:
        load, work = asked[trial.training, id(trial.config), shares[trial.key]]
        if works := finished.get(load):
            nearest = min(works, key=lambda one: abs(math.log(one / work)))
            like, more = works[nearest], work / nearest
            curve = EMPTY_CURVE_BYTES + more * (like.curve_bytes - EMPTY_CURVE_BYTES)
            disk = like.result_bytes + int(curve)
            found.takes[trial.key] = Takes(statistics.median(like.seconds) * more, disk)
            found.scaled = found.scaled or nearest != work
    several = [
        like.seconds for works in finished.values() for like in works.values() if len(like.seconds) > 1
    ]
    found.ratios = [one / statistics.median(every) for every in several for one in every]
    return found


@dataclass
class _Like:
    """What trials with the same load and the same work took, and what one of them takes in the storage."""

    result_bytes: int
    curve_bytes: int
    seconds: list[float] = field(default_factory=list)


def _finished(
    plan: Plan, store: TrialStore, asked: Set[tuple[Load, float]], here: bool
) -> dict[Load, dict[float, _Like]]:
    """By load and work, what finished trials took, some of each."""
    loads, left, own = {load for load, _ in asked}, set(asked), True
    found: dict[Load, dict[float, _Like]] = {load: {} for load in loads}
    for result in _results(plan, store) if left else ():
        if own and result["key"] not in plan.stored:
            own = False
            if all(found.values()):  # others need not be read
                break
        kind, came_from = plan.trainings[result["training"]], result["provenance"]
        load, took = _load_of(kind, result), came_from["training_seconds"]
        if load not in loads or (here and came_from["cpu"] != cpu_model()) or not took:
            continue
        try:
            work = _work(kind, kind.Config.model_validate(result["config"]))
        except Exception:  # a config of an earlier version, or what a user's own `cost` stumbles over
            continue
        if work not in found[load]:
            found[load][work] = _like(store, result["key"])
        like = found[load][work]
        if len(like.seconds) < ENOUGH:
            like.seconds.append(took)
        if len(like.seconds) == ENOUGH:
            left.discard((load, work))
        if not left:
            break
    return found


def _work(kind: type[Training], config: Any) -> float:
    """In the unit of `Training.cost`, where that says more than 0; the same of all trials where it does not."""
    return max(kind.cost(config).work, 1e-9)


def _like(store: TrialStore, key: str) -> _Like:
    files = (store.files.read(f"trials/{key}/{name}") for name in ("result.json", "curve.parquet"))
    result, curve = (len(content or b"") for content in files)
    return _Like(result, curve)


def _results(plan: Plan, store: TrialStore) -> Iterator[dict[str, Any]]:
    """Finished trials' results, the plan's own first, as long as reading may take."""
    until = time.monotonic() + READ_SECONDS
    for key in [*sorted(plan.stored), *sorted(store.states().finished - plan.stored)]:
        if time.monotonic() > until:
            return
        try:
            result = store.result(key)
        except (Damaged, StorageError):  # the run itself says so
            continue
        if result["status"] == "finished" and result["training"] in plan.trainings:
            yield result


def _load(kind: type[Training], trial: Trial, share: Resources) -> Load:
    config = _kept(kind, trial.config.model_dump(mode="json"))
    return trial.training, config, trial.data, share.threads, share.gpus > 0


def _load_of(kind: type[Training], result: dict[str, Any]) -> Load:
    came_from = result["provenance"]
    config = _kept(kind, result["config"])
    return (
        result["training"],
        config,
        result["data"],
        came_from.get("threads", 1),
        came_from["device"] != "cpu",
    )


def _kept(kind: type[Training], config: Mapping[str, Any]) -> str:
    return json.dumps(
        {name: value for name, value in config.items() if name not in kind.same_load}, sort_keys=True
    )
