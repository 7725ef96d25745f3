"""Running a plan: its pending trials through one tune.Tuner, the results into the store."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from study.images.cost import Cost, cost
from study.plan import Plan, Trial
from study.provenance import git_commit
from study.running import node_check, resources
from study.running.prepare import Prepared, prepare
from study.running.progress import progress_for
from study.running.ray_session import ray_session, with_workers
from study.running.scratch import workspace
from study.running.stop_signals import check_stop
from study.store.trial_store import TrialStore
from study.terminal import styled

MAX_FAILURES = 2


@dataclass
class Outcome:
    """What became of a plan: the failed trials with their last line and where the traceback lies."""

    failed: dict[str, tuple[Trial, str, str]] = field(default_factory=dict)
    interrupted: bool = False


@dataclass(frozen=True)
class Options:
    """How to run, as opposed to what. None means automatic.

    A result is the same to the bit on the same device with the same number of threads, to rounding elsewhere.
    `trial_timeout` is in seconds, for one attempt. `max_failures` is how often a trial whose process was lost
    is started again; an error that the trial itself raises is not tried again.
    """

    cpus_per_trial: float | None = None
    gpus_per_trial: float | None = None
    max_concurrent: int | None = None
    address: str | None = None
    checkpoint_seconds: float = 10.0
    trial_timeout: float | None = None
    max_failures: int = MAX_FAILURES
    scheduler: str | None = None
    tensorboard: bool = False


def run(
    plan: Plan,
    store: TrialStore,
    data_folder: Path,
    options: Options,
    console: Console,
    on_finished: Callable[[str], None] = lambda key: None,
) -> Outcome:
    """Train every pending trial, longest first, and commit the results to the store.

    `on_finished` is called with the key of each trial once its result is committed. A failed trial leaves
    the others running. Ctrl-C (and SIGTERM, SIGHUP) saves what runs and stops; a second one stops at once,
    as KeyboardInterrupt. Raises StudyError where trials don't fit their data, could never have their
    resources, or a node can't use the storage; nothing has been written then.
    """
    resources.check_asked(options.cpus_per_trial, options.gpus_per_trial)
    with workspace() as folder, ThreadPoolExecutor(1) as thread:
        # torch's import and the data take as long as Ray's start does.
        prepared = thread.submit(prepare, plan, data_folder)
        with ray_session(options.address, folder) as nodes:
            asked = options.cpus_per_trial or 1, options.gpus_per_trial or 0
            nodes = with_workers(nodes, *asked, _say_to(console))
            return _train(plan, store, prepared.result(), nodes, options, console, on_finished, folder)


def preview(
    plan: Plan, data_folder: Path, options: Options, console: Console
) -> tuple[dict[str, Cost], dict[str, resources.Resources], list[resources.Node]]:
    """By key what every trial costs and would get, the stored ones too, and the nodes that would run them.

    Starts Ray only where a GPU is to be asked. Raises StudyError as `run` does.
    """
    here = resources.this_machine()
    if options.address is None and (options.gpus_per_trial is not None or not here.gpus):
        decide = partial(resources.decide, options.cpus_per_trial, options.gpus_per_trial, [here])
        costs = {key: cost(trial.config) for key, trial in plan.trials.items()}
        batches = {key: trial.config.batch_size for key, trial in plan.trials.items()}
        shares = {key: decide(of, batch_size=batches[key]) for key, of in costs.items()}
        return costs, shares, [here]
    with workspace() as folder, ray_session(options.address, folder) as nodes:
        prepared = prepare(replace(plan, stored=set(), stopped=set()), data_folder)
        return prepared.costs, _shares(list(plan.trials.values()), prepared, nodes, options, console), nodes


def _shares(
    trials: list[Trial],
    prepared: Prepared,
    nodes: list[resources.Node],
    options: Options,
    console: Console,
) -> dict[str, resources.Resources]:
    from study.running import probe  # brings torch

    asked = options.cpus_per_trial, options.gpus_per_trial
    return probe.shares(trials, prepared, nodes, *asked, _say_to(console))


def _say_to(console: Console) -> Callable[[str], None]:
    return lambda said: console.print(styled(said, "yellow"))


def _train(
    plan: Plan,
    store: TrialStore,
    prepared: Prepared,
    nodes: list[resources.Node],
    options: Options,
    console: Console,
    on_finished: Callable[[str], None],
    folder: Path,
) -> Outcome:
    from study.running.tune_callback import Follower

    node_check.check(store, nodes)
    shares = _shares(plan.pending, prepared, nodes, options, console)
    plan.begin(store)
    check_stop()
    # The longest first, so that the last one does not run alone.
    trials = sorted(plan.pending, key=lambda trial: -prepared.work[trial.key])
    with progress_for(console, trials, prepared.work) as progress:
        follower = Follower(trials, store, progress, options.max_failures, on_finished)
        places, interrupted = list(range(len(trials))), False
        while places and not interrupted:
            _tuner(trials, places, prepared, shares, store, options, follower, folder).fit()
            ended = store.states().finished | follower.stopped | follower.failed.keys()
            places = follower.to_repeat()
            interrupted = not {trial.key for trial in trials} <= ended | {trials[i].key for i in places}
    return Outcome(follower.failed, interrupted)


def _tuner(
    trials: list[Trial],
    places: list[int],
    prepared: Prepared,
    shares: dict[str, resources.Resources],
    store: TrialStore,
    options: Options,
    follower: Any,
    folder: Path,
) -> Any:
    """The tune.Tuner of the trials at these places, in this order. Its files are never the truth."""
    from ray import tune

    from study.running.trainable import TrialTrainable

    trainable = tune.with_parameters(
        TrialTrainable,
        trials=trials,
        costs=prepared.costs,
        datasets=prepared.datasets,
        networks=prepared.networks,
        storage=str(store.root),
        shares=shares,
        commit=git_commit(Path.cwd()),
        checkpoint_seconds=options.checkpoint_seconds,
        trial_timeout=options.trial_timeout,
    )

    # Tune unpickles `bundle` several times a trial, and with it all that it refers to.
    asked = [shares[trial.key] for trial in trials]

    def bundle(config: dict[str, Any]) -> Any:
        share = asked[config["trial"]]
        return tune.PlacementGroupFactory([{"CPU": share.cpus, "GPU": share.gpus}])

    return tune.Tuner(
        tune.with_resources(trainable, bundle),
        param_space={"trial": tune.grid_search(places)},
        tune_config=tune.TuneConfig(
            reuse_actors=True,
            max_concurrent_trials=options.max_concurrent,
            scheduler=_scheduler(options.scheduler),
            trial_name_creator=_short_name,
            trial_dirname_creator=_short_name,
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder / "tune"),
            callbacks=[follower],
            failure_config=tune.FailureConfig(max_failures=options.max_failures),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )


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


def _short_name(trial: Any) -> str:
    return f"{trial.config['trial']:06d}"
