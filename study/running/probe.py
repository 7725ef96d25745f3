"""Each trial's share of the nodes; automatic ones come from a few steps on a GPU that is otherwise idle."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from study import own_code
from study.plan import Trial
from study.running.resources import Load, Node, Resources, decide
from study.running.trial_run import TrialRun
from study.training import Config, Cost, Training

WARM_UP, STEPS = 5, 20
# What a node gets to free a GPU and to start a process there, and what a training gets.
START_SECONDS, TRAINING_SECONDS = 60.0, 10.0

# The name of a training, its hyperparameters as JSON, and the fingerprint of its data: what has the same load.
Shape = tuple[str, str, str]


def shares(
    trials: Sequence[Trial],
    trainings: Mapping[str, type[Training]],
    data: Mapping[str, Any],
    costs: Mapping[str, Cost],
    nodes: Sequence[Node],
    cpus_per_trial: float | None,
    gpus_per_trial: float | None,
    say: Callable[[str], None],
) -> dict[str, Resources]:
    """By key, what each trial gets of these nodes of a running Ray; `say` is told what could not be measured.

    Raises StudyError where no node could ever run a trial.
    """
    found: Mapping[Shape, Sequence[Load]] = {}
    shapes: dict[str, Shape] = {}
    with_gpu = [node for node in nodes if node.gpus >= 1 and node.cpus >= (cpus_per_trial or 1)]
    if gpus_per_trial is None and with_gpu:
        shapes = {trial.key: shape(trial, trainings[trial.training]) for trial in trials}
        asked = {shapes[trial.key]: trial for trial in trials}
        found = _loads(asked, trainings, data, with_gpu, cpus_per_trial or 1, say)
    loads = {key: found.get(same, ()) for key, same in shapes.items()}
    return {
        trial.key: decide(cpus_per_trial, gpus_per_trial, nodes, costs[trial.key], loads.get(trial.key, ()))
        for trial in trials
    }


def shape(trial: Trial, kind: type[Training]) -> Shape:
    """What the trial's load depends on: the same for all those with the same load."""
    return trial.training, trial.config.model_dump_json(exclude=set(kind.same_load)), trial.data


def _loads(
    asked: Mapping[Shape, Trial],
    trainings: Mapping[str, type[Training]],
    data: Mapping[str, Any],
    nodes: Sequence[Node],
    cpus: float,
    say: Callable[[str], None],
) -> dict[Shape, list[Load]]:
    """Measured on a GPU of each of these nodes at the same time; what was not measured is not in it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # A process that stayed would keep its GPU memory.
    probe = ray.remote(num_cpus=cpus, num_gpus=1, max_calls=1, max_retries=0)(measure)
    shared = ray.put(dict(data))
    trials = [(trial.training, trial.config, trial.data) for trial in asked.values()]
    answers = {
        probe.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(
            trials, {name: own_code.by_value(kind) for name, kind in trainings.items()}, shared, int(cpus)
        ): node
        for node in nodes
    }
    patience = START_SECONDS + TRAINING_SECONDS * len(trials)
    _, late = ray.wait(list(answers), num_returns=len(answers), timeout=patience)
    found: dict[Shape, list[Load]] = {}
    for answer, node in answers.items():
        if answer in late:
            ray.cancel(answer, force=True)
            say(f"{node.name}: no GPU was free for {patience:g} s; shares by rule of thumb")
            continue
        try:
            loads = ray.get(answer)
        except ray.exceptions.RayError as error:
            said = str(error).strip().splitlines()[-1]
            say(f"{node.name}: loads of the GPU can't be measured, shares by rule of thumb: {said}")
            continue
        for same, load in zip(asked, loads, strict=True):
            if load is not None:
                found.setdefault(same, []).append(load)
    return found


def measure(
    trials: Sequence[tuple[str, Config, str]],
    trainings: Mapping[str, type[Training]],
    data: Mapping[str, Any],
    threads: int,
) -> list[Load | None]:
    """The load of each training, config and data on this process's GPU, one after the other.

    None where torch sees no GPU, and where a training fails, which its trial will say.
    """
    if not torch.cuda.is_available():
        return [None for _ in trials]
    torch.set_num_threads(threads)
    return [_measured(trainings[name], config, data[on]) for name, config, on in trials]


def _measured(kind: type[Training], config: Config, data: Any) -> Load | None:
    if not kind.continues:
        return None  # its steps can't be done by themselves
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    total = torch.cuda.mem_get_info()[1]
    try:
        run = TrialRun(kind, config, data, 0, "cuda")
        busy = _busy(run)
        # The last step measures what is measured at the end, perhaps with more memory than the others.
        run.history.step = (run.steps or 1) - 1
        run.run(1)
    except torch.OutOfMemoryError:
        return Load(total, total, 1.0)
    except Exception:
        return None
    free = torch.cuda.mem_get_info()[0]
    context = total - free - torch.cuda.memory_reserved()
    return Load(torch.cuda.max_memory_reserved() + context, total, busy) if busy else None


def _busy(run: TrialRun) -> float:
    """The share of the time in which kernels run: their time in the profiler, of the time without one.

    The time between two CUDA events would count the gaps between the kernels too.
    """
    _steps(run, WARM_UP)
    started = time.perf_counter()
    _steps(run, STEPS)
    seconds = time.perf_counter() - started
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        _steps(run, STEPS)
    kernels = [event for event in profiler.key_averages() if event.device_type.name == "CUDA"]
    kernel_seconds: float = sum(event.self_device_time_total for event in kernels) / 1e6
    return min(1.0, kernel_seconds / seconds)


def _steps(run: TrialRun, n: int) -> None:
    while n > 0 and not run.done:  # `run` may stop before
        n -= run.run(n)
