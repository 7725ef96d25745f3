"""Where a trial's randomness comes from: each draw has a seed of its own, so nothing of it needs saving."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def seed_of(*purpose: object) -> int:
    """63 bits from e.g. (seed, "order", epoch); unlike seed + epoch, no two purposes share a stream."""
    digest = hashlib.sha256("/".join(map(str, purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_torch(seed: int, device: torch.device) -> None:
    """What torch.manual_seed does, on the CPU and this device alone.

    For every kind of device that torch knows it takes about 75 us, and before each step.
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


def epoch_order(n: int, seed: int, epoch: int) -> Tensor:
    """The permutation of n training images in an epoch, int64 [n]; the same for every arm of a seed."""
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    return torch.randperm(n, generator=generator)


def validation_split(n: int, size: int) -> tuple[Tensor, Tensor]:
    """Which of n training images are kept and which `size` are held out, int64 [n - size] and [size].

    The same in every trial, so that trials are compared on the same images.
    """
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed_of("validation")))
    return order[size:].sort().values, order[:size].sort().values
