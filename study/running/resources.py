"""CPUs and the share of a GPU that each trial gets, and how many trials run at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from study.errors import StudyError
from study.running import limits
from study.training import Cost

# The device files of NVIDIA's driver, of NVIDIA's under WSL, and of AMD's.
GPU_DRIVERS = ("nvidiactl", "dxg", "kfd")


@dataclass(frozen=True)
class Resources:
    """What one trial asks for; `gpus` may be a fraction, several trials then share a GPU."""

    cpus: float
    gpus: float

    @property
    def threads(self) -> int:
        """torch's threads: the trial's CPUs, at least one."""
        return max(1, int(self.cpus))

    def prepare_process(self) -> str:
        """Hold this process to the share, where it may come from another trial; the device that it trains on."""
        # Libraries that are loaded later, and the processes that it starts, read this.
        os.environ["OMP_NUM_THREADS"] = str(self.threads)
        _hold_threads(self.threads)
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(self.threads)
        if not self.gpus:
            return "cpu"
        import torch as loaded

        if not loaded.cuda.is_available():
            return "cpu"
        loaded.cuda.empty_cache()
        loaded.cuda.set_per_process_memory_fraction(min(1.0, self.gpus))
        return "cuda"

    def concurrent_on(self, nodes: Sequence[Node]) -> int:
        """How many such trials run at once."""
        return sum(node.room_for(self) for node in nodes)


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, as Ray counts it, with Ray's id and a name for people."""

    cpus: float
    gpus: float
    id: str = ""
    name: str = "this machine"

    def room_for(self, trial: Resources) -> int:
        """How many such trials fit on this node; a fraction of a GPU never spans two."""
        fits = int(self.cpus / trial.cpus) if trial.cpus else 10**6
        if not trial.gpus:
            return fits
        if trial.gpus >= 1:
            return min(fits, int(self.gpus / trial.gpus))
        return min(fits, int(self.gpus) * int(1 / trial.gpus + 1e-9))


@dataclass(frozen=True)
class Load:
    """What a trial that has a GPU to itself takes of it.

    Its peak memory with the CUDA context's own, of the total, and the share of the time the GPU is busy.
    """

    memory_bytes: int
    total_bytes: int
    busy: float


def this_machine() -> Node:
    """The cores that this process may use, by its affinity and its container's limit, and the GPUs that torch sees."""
    # Where the system can't say which cores are ours (macOS), all are.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = limits.cores()
    return Node(cores if quota is None else max(1, min(cores, int(quota))), _gpus())


def _gpus() -> int:
    """How many torch can use; torch, two seconds and 700 MB to import, is asked only beside a driver."""
    if sys.platform == "linux" and not any(Path("/dev", driver).exists() for driver in GPU_DRIVERS):
        return 0
    import torch

    return torch.cuda.device_count()


def decide(
    cpus_per_trial: float | None,
    gpus_per_trial: float | None,
    nodes: Sequence[Node],
    cost: Cost,
    loads: Sequence[Load] = (),
) -> Resources:
    """The share of a trial of this cost. None is automatic.

    That is one core and, where there is a GPU, the part of it that the trial's loads, as measured on the
    kinds of GPU that may run it, allow on each of them; what its training says where nothing was measured. On
    nodes without a GPU two cores, where its training has use for them and all nodes have two. The trial alone decides,
    not what else is to be trained: a result's last bits depend on its threads.

    Raises StudyError where no node could ever run such a trial, which Ray would wait for for ever.
    """
    if gpus_per_trial is None:
        gpus_per_trial = _automatic(cpus_per_trial or 1, nodes, loads or [_unmeasured(cost)])
    if cpus_per_trial is None:
        cores = min((node.cpus for node in nodes if node.cpus), default=0)
        cpus_per_trial = 2 if cost.threads >= 2 and not gpus_per_trial and cores >= 2 else 1
    asked = Resources(cpus_per_trial, gpus_per_trial)
    if not asked.concurrent_on(nodes):
        largest = max(nodes, key=lambda node: (node.gpus, node.cpus))
        raise StudyError(
            f"A trial asks for {asked.cpus:g} CPUs and {asked.gpus:g} GPUs, and no node has them: "
            f"the largest has {largest.cpus:g} CPUs and {largest.gpus:g} GPUs.",
            "Change --cpus-per-trial or --gpus-per-trial.",
        )
    return asked


def share_for(memory_bytes: int, total_bytes: int, busy: float, cores: float, gpus: float) -> float:
    """The smallest of 1, 1/2, 1/3, ... of a GPU in which such a trial fits, for a node that feeds `gpus`.

    Limited by GPU memory, by GPU utilisation (loads that add up to about its whole time) or by CPU cores, of which a
    trial takes one; whichever is smallest.
    """
    at_once = min(total_bytes // memory_bytes, round(1 / busy), int(cores / gpus))
    return 1 / max(1, at_once)


def _automatic(cpus: float, nodes: Sequence[Node], loads: Sequence[Load]) -> float:
    """The part of a GPU that is enough on all that were measured; 0 where the nodes have none."""
    with_gpu = [node for node in nodes if node.gpus >= 1]
    if not with_gpu:
        return 0.0
    # Where there are fewer cores, fewer trials run: a node's own count of cores sees to that.
    best = max(with_gpu, key=lambda node: node.cpus / node.gpus)
    return max(
        share_for(load.memory_bytes, load.total_bytes, load.busy, best.cpus / cpus, best.gpus)
        for load in loads
    )


def _unmeasured(cost: Cost) -> Load:
    """The load of a trial of which its training says how many share a GPU."""
    return Load(1, cost.on_a_gpu, 1 / cost.on_a_gpu)


def lost_its_gpu(error: BaseException) -> bool:
    """Whether the process can't use its GPU any more, and has to be replaced."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.AcceleratorError)


def _hold_threads(threads: int) -> None:
    """Limit the thread pools of BLAS and OpenMP, which otherwise take all cores."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=threads)
