"""What `study plan` shows of a plan besides its trials: their costs, their shares of the nodes, time and price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from rich.console import Console

from study.plan import Plan
from study.running import resources
from study.running.known_times import Known, keep_measured, known
from study.running.measured_times import Takes
from study.running.options import Options
from study.running.outlook import Outlook, outlook
from study.running.prepare import costs_of, prepare
from study.running.ray_session import ray_session
from study.running.runner import longest_first, say_to, say_what_is_slow, shares_of
from study.running.scratch import workspace
from study.store.files import StorageError
from study.store.trial_store import TrialStore
from study.training import Cost


@dataclass(frozen=True)
class Preview:
    """costs and shares: of every trial, the stored ones too, by key. nodes: those that would run them.

    known: what the storage knows of how long trials take.
    """

    costs: dict[str, Cost]
    shares: dict[str, resources.Resources]
    nodes: list[resources.Node]
    known: Known
    outlook: Outlook


def preview(
    plan: Plan, store: TrialStore, options: Options, console: Console, measured: bool = False
) -> Preview:
    """What is known of a plan before it runs; `measured` where some steps of its trials are to be done for it.

    What these tell is kept in the storage.

    Starts Ray only for that, and where a GPU is to be asked. Raises StudyError as `runner.run` does.
    """
    here = resources.this_machine()
    if options.address is None and (options.gpus_per_trial is not None or not here.gpus):
        decide = partial(resources.decide, options.cpus_per_trial, options.gpus_per_trial, [here])
        costs = costs_of(plan)
        decided = {id(cost): decide(cost) for cost in {id(cost): cost for cost in costs.values()}.values()}
        shares = {key: decided[id(cost)] for key, cost in costs.items()}
        preview = _of(plan, store, options, costs, shares, [here], measured)
        if not measured or not preview.outlook.unknown:
            say_what_is_slow(costs, shares, console)
            return preview
    with workspace() as folder, ray_session(options.address, folder, plan.trainings.values()) as nodes:
        whole = prepare(plan.whole())
        shares = shares_of(plan, list(plan.trials.values()), whole, nodes, options, console)
        if options.address is None:
            say_what_is_slow(whole.costs, shares, console)
        preview = _of(plan, store, options, whole.costs, shares, nodes, measured)
        if not measured or not preview.outlook.unknown:
            return preview
        from study.running.stopwatch import measure  # brings torch

        unknown = [trial for trial in plan.pending if trial.key in preview.outlook.unknown]
        took = measure(unknown, plan, whole, shares, nodes, options.max_concurrent, say_to(console))
        try:
            keep_measured(plan, store, shares, options.address is None, took)
        except StorageError as error:
            say_to(console)(f"What was measured is not kept for the run: {error}")
        return replace(
            preview, outlook=_outlook(plan, whole.costs, shares, nodes, options, preview.known, took)
        )


def _of(
    plan: Plan,
    store: TrialStore,
    options: Options,
    costs: dict[str, Cost],
    shares: dict[str, resources.Resources],
    nodes: list[resources.Node],
    anew: bool,
) -> Preview:
    stored = known(plan, store, shares, options.address is None, anew)
    return Preview(costs, shares, nodes, stored, _outlook(plan, costs, shares, nodes, options, stored, {}))


def _outlook(
    plan: Plan,
    costs: dict[str, Cost],
    shares: dict[str, resources.Resources],
    nodes: list[resources.Node],
    options: Options,
    stored: Known,
    measured: Mapping[str, Takes],
) -> Outlook:
    order = [trial.key for trial in longest_first(plan.pending, costs)]
    return outlook(order, shares, nodes, stored, measured, options.max_concurrent)
