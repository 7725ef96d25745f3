"""Running a plan: its pending trials through one tune.Tuner, the results into the store."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from study import data
from study.config import StudyError, TrialConfig
from study.plan import Plan, Trial
from study.plugins import by_value, is_plugin
from study.store import TrialStore

# Before Ray is imported: no per-trial CSV/JSON/TensorBoard files, no usage reports, no warnings that
# concern Ray's own defaults rather than the study.
QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # the newer one prints its tables even with verbose=0
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune's actors have an environment of their own and can't take over the workers that Ray starts first.
    "RAY_prestart_worker_first_driver": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
MAX_FAILURES = 2


@dataclass
class Outcome:
    """What became of a plan: the failed trials with their last line and where the traceback lies."""

    failed: dict[str, tuple[Trial, str, str]] = field(default_factory=dict)
    interrupted: bool = False


@dataclass(frozen=True)
class Options:
    """How to run, as opposed to what: none of it changes a result. None means automatic."""

    cpus_per_trial: float | None = None
    gpus_per_trial: float | None = None
    max_concurrent: int | None = None
    address: str | None = None
    checkpoint_seconds: float = 10.0
    scheduler: str | None = None
    tensorboard: bool = False


def run(plan: Plan, store: TrialStore, data_folder: Path, options: Options, console: Console) -> Outcome:
    """Train every pending trial, longest first, and commit the results to the store.

    A failed trial leaves the others running. Ctrl-C (and SIGTERM, SIGHUP) saves what runs and stops; a
    second one stops at once, as KeyboardInterrupt. Raises StudyError where a trial's resources can
    never be had.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from ray import tune

    with ThreadPoolExecutor(1) as thread, _ray(options.address) as nodes, _stop_signals():
        # torch's import and the data take as long as Ray's start does.
        prepared = thread.submit(_prepare, plan, data_folder)
        from study import resources

        datasets, costs, work = prepared.result()
        shares = {
            key: resources.decide(options.cpus_per_trial, options.gpus_per_trial, nodes, cost.flops)
            for key, cost in costs.items()
        }
        plan.begin(store)

        from study.follower import Follower
        from study.progress import progress_for
        from study.provenance import git_commit
        from study.trainable import TrialTrainable

        on_finished = _tensorboard(plan, store) if options.tensorboard else lambda key: None
        # The longest first, so that the last one does not run alone.
        trials = sorted(plan.pending, key=lambda trial: -work[trial.key])
        workspace = tempfile.mkdtemp(prefix="study-tune-")
        with progress_for(console, trials, work) as progress:
            follower = Follower(trials, store, progress, MAX_FAILURES + 1, on_finished)
            trainable = tune.with_parameters(
                TrialTrainable,
                trials=trials,
                costs=costs,
                datasets=datasets,
                networks={
                    name: by_value(name)
                    for name in {trial.config.model for trial in trials}
                    if is_plugin(name)
                },
                storage=str(store.root),
                shares=shares,
                commit=git_commit(Path.cwd()),
                checkpoint_seconds=options.checkpoint_seconds,
            )

            def bundle(share: resources.Resources) -> Any:
                return tune.PlacementGroupFactory([{"CPU": share.cpus, "GPU": share.gpus}])

            tuner = tune.Tuner(
                tune.with_resources(trainable, lambda config: bundle(shares[trials[config["trial"]].key])),
                param_space={"trial": tune.grid_search(list(range(len(trials))))},
                tune_config=tune.TuneConfig(
                    reuse_actors=True,
                    max_concurrent_trials=options.max_concurrent,
                    scheduler=_scheduler(options.scheduler),
                    trial_name_creator=_short_name,
                    trial_dirname_creator=_short_name,
                ),
                run_config=tune.RunConfig(
                    storage_path=workspace,
                    callbacks=[follower],
                    failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                    verbose=0,
                ),
            )
            try:
                tuner.fit()
            finally:
                shutil.rmtree(workspace, ignore_errors=True)
    missing = plan.trials.keys() - store.finished() - store.stopped() - follower.failed.keys()
    return Outcome(follower.failed, interrupted=bool(missing))


def _scheduler(name: str | None) -> Any:
    """Tune's ASHA on the training accuracy of the last iterations: the test set decides nothing."""
    if name is None:
        return None
    from ray.tune.schedulers import ASHAScheduler

    return ASHAScheduler(
        time_attr="percent",
        metric="recent_accuracy",
        mode="max",
        max_t=100,
        grace_period=10,
        reduction_factor=3,
    )


def _tensorboard(plan: Plan, store: TrialStore) -> Callable[[str], None]:
    from study.tensorboard import EventFiles

    events = EventFiles(store, plan.records)
    for key in plan.stored:
        events.write(key)
    return events.write


def _prepare(
    plan: Plan, data_folder: Path
) -> tuple[dict[str, data.Dataset], dict[str, Any], dict[str, float]]:
    """The data sets by name, and by key each pending trial's cost and its share of the whole work."""
    from study import models

    datasets: dict[str, data.Dataset] = {}
    costs, work = {}, {}
    mistakes: dict[str, None] = {}
    for trial in plan.pending:
        name = trial.config.dataset
        if name not in datasets:
            datasets[name] = data.load(name, data_folder)
        for mistake in _misfits(trial.config, len(datasets[name].train_labels)):
            mistakes[f"{trial.study}: arm {trial.arm!r}: {mistake}"] = None
        costs[trial.key] = models.cost(trial.config)
        images = len(datasets[name].train_labels) - trial.config.validation_size
        work[trial.key] = float(costs[trial.key].flops * images * trial.config.epochs)
    if mistakes:
        raise StudyError(*mistakes)
    return datasets, costs, work


def _misfits(config: TrialConfig, images: int) -> Iterator[str]:
    """What is wrong with the config for a training set of so many images."""
    left = images - config.validation_size
    if left < 1:
        yield f"validation_size = {config.validation_size}: {config.dataset} has {images:,} training images"
    elif config.model.startswith("resnet") and left % config.batch_size == 1 % config.batch_size:
        yield (
            f"batch_size = {config.batch_size}: leaves a batch of one image of {left:,}, "
            f"from which a ResNet's batch normalisation can't be computed"
        )


@contextlib.contextmanager
def _ray(address: str | None) -> Iterator[list[Any]]:
    """Ray, started or joined for this run; gives the cluster's nodes."""
    import ray

    from study.resources import Node

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    already = ray.is_initialized()
    if not already:
        try:
            ray.init(
                address=address or "local",
                include_dashboard=False if address is None else None,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
            )
        except ConnectionError as error:
            raise StudyError(f"No Ray cluster answers at {address}: {str(error).splitlines()[0]}") from None
    try:
        yield [
            Node(node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0))
            for node in ray.nodes()
            if node["Alive"]
        ]
    finally:
        if not already:
            ray.shutdown()


@contextlib.contextmanager
def _stop_signals() -> Iterator[None]:
    """SIGTERM (a job that is stopped) and SIGHUP (a terminal that is closed) do what Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(kind, lambda *_: signal.raise_signal(signal.SIGINT)) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def _short_name(trial: Any) -> str:
    return f"{trial.config['trial']:06d}"
