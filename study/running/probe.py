"""Each trial's share of the nodes; automatic ones come from a few steps on a GPU that is otherwise idle."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch.profiler import ProfilerActivity, profile

from study.declare.own_code import is_plugin
from study.images import models
from study.images.config import TrialConfig
from study.images.data import Dataset
from study.images.training import Training
from study.plan import Trial
from study.running.prepare import Prepared
from study.running.resources import Load, Node, Resources, decide

WARM_UP, STEPS = 5, 20
# What a node gets to free a GPU and to start a process there, and what a network gets.
START_SECONDS, NETWORK_SECONDS = 60.0, 10.0
# What changes the numbers of our networks' training, but neither its memory nor its time.
IRRELEVANT = ("seed", "lr", "weight_decay", "epochs", "validation_size")


def shares(
    trials: Sequence[Trial],
    prepared: Prepared,
    nodes: Sequence[Node],
    cpus_per_trial: float | None,
    gpus_per_trial: float | None,
    say: Callable[[str], None],
) -> dict[str, Resources]:
    """By key, what each trial gets of these nodes of a running Ray; `say` is told what could not be measured.

    Raises StudyError where no node could ever run a trial.
    """
    found: Mapping[TrialConfig, Sequence[Load]] = {}
    with_gpu = [node for node in nodes if node.gpus >= 1 and node.cpus >= (cpus_per_trial or 1)]
    if gpus_per_trial is None and with_gpu:
        shapes = list(dict.fromkeys(shape(trial.config) for trial in trials))
        found = _loads(shapes, prepared, with_gpu, cpus_per_trial or 1, say)
    return {
        trial.key: decide(
            cpus_per_trial,
            gpus_per_trial,
            nodes,
            prepared.costs[trial.key],
            found.get(shape(trial.config), ()),
            trial.config.batch_size,
        )
        for trial in trials
    }


def shape(config: TrialConfig) -> TrialConfig:
    """What the config's load depends on: a config that all those with the same load share."""
    # A user's own network may depend on any field, the seed apart.
    names = ("seed",) if is_plugin(config.model) else IRRELEVANT
    return config.model_copy(update={name: TrialConfig.model_fields[name].get_default() for name in names})


def _loads(
    shapes: Sequence[TrialConfig],
    prepared: Prepared,
    nodes: Sequence[Node],
    cpus: float,
    say: Callable[[str], None],
) -> dict[TrialConfig, list[Load]]:
    """Measured on a GPU of each of these nodes at the same time; what was not measured is not in it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # A process that stayed would keep its GPU memory.
    probe = ray.remote(num_cpus=cpus, num_gpus=1, max_calls=1, max_retries=0)(measure)
    data = ray.put(prepared.datasets)
    answers = {
        probe.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(
            shapes, data, prepared.networks, int(cpus)
        ): node
        for node in nodes
    }
    patience = START_SECONDS + NETWORK_SECONDS * len(shapes)
    _, late = ray.wait(list(answers), num_returns=len(answers), timeout=patience)
    found: dict[TrialConfig, list[Load]] = {}
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
        for config, load in zip(shapes, loads, strict=True):
            if load is not None:
                found.setdefault(config, []).append(load)
    return found


def measure(
    configs: Sequence[TrialConfig],
    datasets: Mapping[str, Dataset],
    networks: Mapping[str, models.Network],
    threads: int,
) -> list[Load | None]:
    """Each config's load on this process's GPU, one after the other.

    None where torch sees no GPU, and where a training fails, which its trial will say.
    """
    if not torch.cuda.is_available():
        return [None for _ in configs]
    torch.set_num_threads(threads)
    return [_measured(config, datasets[config.dataset], networks.get(config.model)) for config in configs]


def _measured(config: TrialConfig, dataset: Dataset, network: models.Network | None) -> Load | None:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    total = torch.cuda.mem_get_info()[1]
    try:
        training = Training(config, dataset, "cuda", network)
        busy = _busy(training)
        # An epoch's end evaluates, in batches that may be larger than the training's.
        training.iteration = training.iterations_per_epoch - 1
        training.run(1)
    except torch.OutOfMemoryError:
        return Load(total, total, 1.0)
    except Exception:
        return None
    free = torch.cuda.mem_get_info()[0]
    context = total - free - torch.cuda.memory_reserved()
    return Load(torch.cuda.max_memory_reserved() + context, total, busy) if busy else None


def _busy(training: Training) -> float:
    """The share of the time in which kernels run: their time in the profiler, of the time without one.

    The time between two CUDA events would count the gaps between the kernels too.
    """
    _run(training, WARM_UP)
    started = time.perf_counter()
    _run(training, STEPS)
    seconds = time.perf_counter() - started
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        _run(training, STEPS)
    kernels = [event for event in profiler.key_averages() if event.device_type.name == "CUDA"]
    kernel_seconds: float = sum(event.self_device_time_total for event in kernels) / 1e6
    return min(1.0, kernel_seconds / seconds)


def _run(training: Training, steps: int) -> None:
    while steps > 0:  # `run` stops at an epoch's end
        steps -= training.run(steps)
