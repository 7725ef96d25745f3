"""How much of its machine is in use, by whatever runs on it: cores, memory, and those of a GPU."""

from __future__ import annotations

import importlib.util

import psutil


def use(device: str) -> dict[str, float]:
    """What of `store.running_file.MachineRecord` holds now: memory in bytes; of a GPU only where `device` is one.

    `busy` counts cores since the last call in this process: 0 at the first one.
    """
    memory = psutil.virtual_memory()
    cores = psutil.cpu_count() or 1
    found = {
        "busy": psutil.cpu_percent() / 100 * cores,
        "cores": float(cores),
        "memory_used": float(memory.total - memory.available),
        "memory": float(memory.total),
    }
    if device.startswith("cuda"):
        import torch

        free, whole = torch.cuda.mem_get_info(device)
        found |= {"gpu_memory_used": float(whole - free), "gpu_memory": float(whole)}
        if importlib.util.find_spec("pynvml"):  # by which torch asks the driver
            found["gpu_busy"] = torch.cuda.utilization(device) / 100
    return found
