"""What a run changes in the process that called it, put back afterwards: it may be a user's notebook or script."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np


@contextlib.contextmanager
def environment() -> Iterator[None]:
    """The environment variables."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextlib.contextmanager
def logger(name: str) -> Iterator[logging.Logger]:
    """Gives the logger of this name; its level, its handlers and whether it propagates are put back."""
    given = logging.getLogger(name)
    level, handlers, propagate = given.level, list(given.handlers), given.propagate
    formatters = [handler.formatter for handler in handlers]
    try:
        yield given
    finally:
        given.setLevel(level)
        given.handlers[:], given.propagate = handlers, propagate
        for handler, formatter in zip(handlers, formatters, strict=True):
            handler.setFormatter(formatter)


@contextlib.contextmanager
def generators() -> Iterator[None]:
    """The global generators of Python, NumPy and, where it is imported already, torch."""
    torch: Any = sys.modules.get("torch")
    states = random.getstate(), np.random.get_state(), torch and torch.get_rng_state()  # noqa: NPY002
    on_gpu = torch.cuda.get_rng_state() if _uses_gpu(torch) else None
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        if torch is not None:
            torch.set_rng_state(states[2])
        if on_gpu is not None:
            torch.cuda.set_rng_state(on_gpu)


@contextlib.contextmanager
def training_settings() -> Iterator[None]:
    """What a trial sets in its process: the environment, thread pools, cuDNN's flags, its part of a GPU.

    Of torch only where it is imported already; its defaults are meanwhile those of a new process.
    """
    with environment():
        from threadpoolctl import threadpool_limits  # sets a variable as it is imported

        with threadpool_limits(limits=None), _torch_settings(sys.modules.get("torch")):
            yield


@contextlib.contextmanager
def _torch_settings(torch: Any) -> Iterator[None]:
    if torch is None:
        yield
        return
    cudnn, threads = torch.backends.cudnn, torch.get_num_threads()
    flags = cudnn.benchmark, cudnn.deterministic
    dtype, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    device = torch.get_default_device()
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    if device.type != "cpu":
        torch.set_default_device(None)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_float32_matmul_precision(precision)
        if device.type != "cpu":
            torch.set_default_device(device)
        torch.set_num_threads(threads)
        cudnn.benchmark, cudnn.deterministic = flags
        if _uses_gpu(torch):
            torch.cuda.set_per_process_memory_fraction(1.0)


def _uses_gpu(torch: Any) -> bool:
    return torch is not None and bool(torch.cuda.is_initialized())
