"""Running a plan: its pending trials through one tune.Tuner, the results into the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from study import own_code
from study.plan import More, Plan, Trial
from study.provenance import git_commit
from study.running import node_check, own_ray, resources
from study.running.attempt import Settings
from study.running.known_times import known
from study.running.listener import NOBODY, Listener
from study.running.options import Options
from study.running.outlook import EACH_SECONDS
from study.running.prepare import Prepared, prepare
from study.running.progress import progress_for
from study.running.ray_session import ray_session, with_workers
from study.running.scratch import workspace
from study.running.stop_signals import check_stop
from study.running.time_left import Expected
from study.store.trial_store import TrialStore
from study.terminal import styled
from study.training import Cost


@dataclass
class Outcome:
    """What became of a plan: the failed trials with their last line and where the traceback lies.

    `at_once`: how many of its trials could run at once.
    """

    failed: dict[str, tuple[Trial, str, str]] = field(default_factory=dict)
    interrupted: bool = False
    at_once: int = 1


def run(
    plan: Plan,
    store: TrialStore,
    options: Options,
    console: Console,
    listener: Listener = NOBODY,
    more: More = lambda at_once: None,
) -> Outcome:
    """Train every pending trial, longest first, and commit the results to the store.

    `more` is called when the results of all are committed, and gives the plan that is next, or None. A failed trial
    leaves the others running, and nothing comes next. Ctrl-C (and SIGTERM, SIGHUP) saves what runs and stops; a second
    one stops at once, as KeyboardInterrupt. Raises StudyError if trials don't fit their data, could never have their
    resources, or a node can't use the storage; nothing has been written then.
    """
    with workspace() as folder, ThreadPoolExecutor(1) as thread:
        # The data, and what costs need, take as long as Ray's start does.
        prepared = thread.submit(prepare, plan)
        with ray_session(options.address, folder) as nodes:
            asked = options.cpus_per_trial or 1, options.gpus_per_trial or 0
            nodes = with_workers(nodes, *asked, say_to(console))
            outcome = _train(plan, store, prepared.result(), nodes, options, console, listener, folder)
            while not outcome.failed and not outcome.interrupted and (then := more(outcome.at_once)):
                outcome = _train(then, store, prepare(then), nodes, options, console, listener, folder)
            return outcome


def shares_of(
    plan: Plan,
    trials: list[Trial],
    prepared: Prepared,
    nodes: list[resources.Node],
    options: Options,
    console: Console,
) -> dict[str, resources.Resources]:
    """By key, what each of these trials gets of the nodes; where a GPU is to be asked, of a running Ray."""
    asked = options.cpus_per_trial, options.gpus_per_trial
    if any(node.gpus >= 1 for node in nodes) and options.gpus_per_trial is None:
        from study.running import probe  # brings torch

        return probe.shares(
            trials, plan.trainings, prepared.data, prepared.costs, nodes, *asked, say_to(console)
        )
    return {trial.key: resources.decide(*asked, nodes, prepared.costs[trial.key]) for trial in trials}


def say_what_is_slow(
    costs: Mapping[str, Cost], shares: Mapping[str, resources.Resources], console: Console
) -> None:
    """Once each, what trials that get no GPU here say of that (`Cost.on_a_cpu`)."""
    for said in dict.fromkeys(costs[key].on_a_cpu for key, share in shares.items() if not share.gpus):
        if said:
            console.print(styled(said, "yellow"))


def say_to(console: Console) -> Callable[[str], None]:
    """Prints on the console what is out of the ordinary."""
    return lambda said: console.print(styled(said, "yellow"))


def _train(
    plan: Plan,
    store: TrialStore,
    prepared: Prepared,
    nodes: list[resources.Node],
    options: Options,
    console: Console,
    listener: Listener,
    folder: Path,
) -> Outcome:
    from study.running.tune_callback import TuneCallback

    node_check.check(store, nodes)
    own = {
        "trainings": {name: own_code.by_value(kind) for name, kind in plan.trainings.items()},
        "code": {name: own_code.by_value(name) for name in plan.own_code() if isinstance(name, str)},
    }
    shares = shares_of(plan, plan.pending, prepared, nodes, options, console)
    if options.address is None:  # another machine may have another processor
        say_what_is_slow(prepared.costs, shares, console)
    plan.begin(store)
    check_stop()
    trials = longest_first(plan.pending, prepared.costs)
    awaited = expected(plan, store, trials, prepared.costs, shares, nodes, options)
    with progress_for(console, plan, awaited) as progress:
        callback = TuneCallback(trials, store, progress, options.max_failures, listener)
        places, interrupted = list(range(len(trials))), False
        while places and not interrupted:
            tuner = _tuner(trials, places, plan, own, prepared, shares, store, options, callback, folder)
            with own_ray.importing_no_trackers():
                tuner.fit()
            ended = store.states().finished | callback.stopped | callback.failed.keys()
            places = callback.to_repeat()
            interrupted = not {trial.key for trial in trials} <= ended | {trials[i].key for i in places}
    at_once = min(share.concurrent_on(nodes) for share in shares.values())
    return Outcome(callback.failed, interrupted, min(at_once, options.max_concurrent or at_once))


def longest_first(trials: list[Trial], costs: dict[str, Cost]) -> list[Trial]:
    """In the order in which they start, so that the last one does not run alone."""
    return sorted(trials, key=lambda trial: -costs[trial.key].work)


def expected(
    plan: Plan,
    store: TrialStore,
    trials: Sequence[Trial],
    costs: Mapping[str, Cost],
    shares: Mapping[str, resources.Resources],
    nodes: Sequence[resources.Node],
    options: Options,
) -> Expected:
    """What the time left is estimated from: what finished trials took, where all are known; else what they cost."""
    takes = known(plan, store, shares, options.address is None).takes
    all_known = all(trial.key in takes for trial in trials)
    work = {
        trial.key: takes[trial.key].seconds + EACH_SECONDS
        if all_known
        else costs[trial.key].work / shares[trial.key].threads
        for trial in trials
    }
    return Expected(work, shares, nodes, options.max_concurrent, all_known)


def settings(options: Options) -> Settings:
    """What all attempts have in common."""
    return Settings(git_commit(Path.cwd()), options.checkpoint_every, options.trial_timeout)


def _tuner(
    trials: list[Trial],
    places: list[int],
    plan: Plan,
    own: dict[str, dict[str, Any]],
    prepared: Prepared,
    shares: dict[str, resources.Resources],
    store: TrialStore,
    options: Options,
    callback: Any,
    folder: Path,
) -> Any:
    """The tune.Tuner of the trials at these places, in this order, with `own`, the code to train.

    Its files are never the truth.
    """
    from ray import tune

    from study.running.trainable import TrialTrainable

    trainable = tune.with_parameters(
        TrialTrainable,
        trials=[trial.travelling() for trial in trials],
        **own,
        data=prepared.data,
        storage=str(store.root),
        folder=str(Path.cwd()),
        shares=shares,
        settings=settings(options),
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
            scheduler=_scheduler(options.scheduler, plan, trials),
            trial_name_creator=_short_name,
            trial_dirname_creator=_short_name,
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder / "tune"),
            callbacks=[callback],
            failure_config=tune.FailureConfig(max_failures=options.max_failures),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            # The one that Tune takes in a notebook deletes what the cell has shown, at any verbosity.
            progress_reporter=tune.CLIReporter(),
            verbose=0,
        ),
    )


def _scheduler(name: str | None, plan: Plan, trials: list[Trial]) -> Any:
    """Tune's ASHA on the metric that the study watches, in its direction: the reported one decides nothing."""
    if name is None:
        return None
    from ray.tune.schedulers import ASHAScheduler

    watched = plan.trainings[trials[0].training].metric(trials[0].watched)
    return ASHAScheduler(
        time_attr="percent",
        metric="watched",
        mode="max" if watched.better == "higher" else "min",
        max_t=100,
        grace_period=10,
        reduction_factor=3,
    )


def _short_name(trial: Any) -> str:
    return f"{trial.config['trial']:06d}"
