"""Running a plan: its pending trials through one tune.Tuner, the results into the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from study import own_code
from study.plan import More, Plan, Trial
from study.provenance import git_commit
from study.running import node_check, own_ray, resources
from study.running.attempt import Settings
from study.running.handing import Handing
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
    leaves the others running, and nothing comes next, except after a search. Ctrl-C (and SIGTERM, SIGHUP) saves what
    runs and stops; a second one stops at once, as KeyboardInterrupt. Raises StudyError if trials don't fit their data,
    could never have their resources, or a node can't use the storage; nothing has been written then.
    """
    with workspace() as folder, ThreadPoolExecutor(1) as thread:
        # The data, and what costs need, take as long as Ray's start does.
        prepared = thread.submit(prepare, plan)
        with ray_session(options.address, folder, plan.trainings.values()) as nodes:
            asked = options.cpus_per_trial or 1, options.gpus_per_trial or 0
            nodes = with_workers(nodes, *asked, say_to(console))
            outcome = _train(plan, store, prepared.result(), nodes, options, console, listener, folder)
            # Points of a search that can't be trained say nothing of those that can.
            failed = outcome.failed
            while not outcome.interrupted and (plan.source or not outcome.failed):
                then = more(outcome.at_once)
                if then is None:
                    break
                if plan.source:  # what was found is trained to its end
                    options = options.model_copy(update={"scheduler": None})
                plan = then
                outcome = _train(plan, store, prepare(plan), nodes, options, console, listener, folder)
                failed |= outcome.failed
            return replace(outcome, failed=failed)


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
    from study.running.tune_searcher import Handed, TuneSearcher
    from study.running.tuner import tuner

    node_check.check(store, nodes)
    own = {
        "trainings": {name: own_code.by_value(kind) for name, kind in plan.trainings.items()},
        "code": {name: own_code.by_value(name) for name in plan.own_code() if isinstance(name, str)},
    }
    samples = plan.source.samples if plan.source else []
    shares = shares_of(plan, [*plan.pending, *samples], prepared, nodes, options, console)
    if options.address is None:  # another machine may have another processor
        say_what_is_slow(prepared.costs, shares, console)
    plan.begin(store)
    check_stop()
    trials = longest_first(plan.pending, prepared.costs)
    awaited = expected(plan, store, trials, prepared.costs, shares, nodes, options)
    with progress_for(console, plan, awaited) as progress:
        callback = TuneCallback(trials, store, progress, options.max_failures, listener)
        at_once = min(share.concurrent_on(nodes) for share in shares.values())
        at_once = min(at_once, options.max_concurrent or at_once)
        searcher = None
        if plan.source:
            handing = Handing(plan, plan.source, trials, prepared, shares, nodes, options, awaited)
            searcher = TuneSearcher(
                handing,
                lambda place: Handed(trials[place].travelling(), shares[trials[place].key]),
                lambda place: trials[place].key in callback.failed,
                callback.to_repeat,
            )
        places, interrupted = list(range(len(trials))), False
        while not interrupted and (places or (searcher and not searcher.over)):
            made = tuner(
                trials,
                places,
                plan,
                own,
                prepared,
                shares,
                store,
                options,
                callback,
                folder,
                searcher,
                at_once,
            )
            with own_ray.importing_no_trackers():
                made.fit()
            over = searcher is None or searcher.over
            places = searcher.settle() if searcher else callback.to_repeat()
            ended = store.states().finished | callback.stopped | callback.failed.keys()
            # Members of a population may have been replaced; that these are through, the searcher says.
            whole = {trial.key for trial in trials if trial.until is None}
            awaited_still = whole - ended - {trials[place].key for place in places}
            interrupted = bool(awaited_still) or not over
    return Outcome(callback.failed, interrupted, at_once)


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
    return Settings(
        git_commit(Path.cwd()),
        options.checkpoint_every,
        options.trial_timeout,
        at_tenths=options.scheduler is not None,
        keep_weights=options.keep_weights,
    )
