"""Where a trial's randomness comes from: each draw has a seed of its own, so nothing of it needs saving."""

from __future__ import annotations

import hashlib
import importlib.util
import random
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def seed_of(*purpose: object) -> int:
    """63 bits from e.g. (seed, "order", pass); unlike seed + pass, no two purposes share a stream."""
    digest = hashlib.sha256("/".join(map(str, purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_everything(seed: int, device: str = "cpu") -> None:
    """Seed the global generators of Python, NumPy and torch, torch's on the CPU and this device.

    It takes about 10 us. torch is not imported for it: where it is not yet, it is seeded as soon as it is.
    """
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)  # noqa: NPY002  (the generator that a training may draw from)
    if "torch" in sys.modules:
        _seed_torch(seed, device)
    else:
        _WhenImported.seed, _WhenImported.device = seed, device
        if not any(isinstance(finder, _WhenImported) for finder in sys.meta_path):
            sys.meta_path.insert(0, _WhenImported())


def _seed_torch(seed: int, device: str) -> None:
    # torch.manual_seed would take about 75 us: it seeds every kind of device that torch knows.
    torch: Any = sys.modules["torch"]
    torch.default_generator.manual_seed(seed)
    if device != "cpu":
        torch.get_device_module(device).manual_seed(seed)


class _WhenImported:
    """Finds torch as Python does, and seeds it once it is loaded: a training may import it where it first needs it."""

    seed, device = 0, "cpu"

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Called by Python's import for each module."""
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_seed(module: ModuleType) -> None:
                load(module)
                _seed_torch(_WhenImported.seed, _WhenImported.device)

            spec.loader.exec_module = load_and_seed  # type: ignore[method-assign]
        return spec


def order(n: int, seed: int, nth: int) -> Tensor:
    """A permutation of n examples for the nth pass over them, int64 [n]; the same in every arm of a seed."""
    import torch

    return torch.randperm(n, generator=generator(seed, "order", nth))


def generator(*purpose: object) -> torch.Generator:
    """A generator of torch's own for a purpose such as (seed, "augmentation", step)."""
    import torch

    return torch.Generator().manual_seed(seed_of(*purpose))
