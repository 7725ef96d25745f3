"""A step as CUDA graphs: launched whole, where Python would launch its kernels one by one and be the slower.

N batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor], None]

# In a step's first calls libraries load their kernels and optimizers make their state, which a graph must
# not repeat. They are steps like all others: nothing is undone.
FIRST_CALLS = 3


class StepGraphs:
    """Calls a step with a minibatch's indices, int64 [N], and a float32 tensor for its numbers.

    From the fourth call with a batch size on, that is one launch of a CUDA graph, captured once for the size.
    A graph repeats kernels alone: whatever else the step does, or decides on after reading from the device,
    stays as it was in the capture. Random numbers follow torch's seed at each call.

    `eager` says why the step is called as it is, or is None. A step that can't be captured goes on so, with
    the same numbers.
    """

    def __init__(self, eager: str | None = None) -> None:
        self.eager = eager
        self._calls: Counter[int] = Counter()
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}

    def call(self, step: Step, batch: Tensor, out: Tensor) -> None:
        """`step(batch, out)`, always the same step: it is not kept, since its owner keeps this."""
        size = len(batch)
        if self.eager is None and size not in self._graphs and self._calls[size] >= FIRST_CALLS:
            self._capture(step, batch, out)
        self._calls[size] += 1
        if size not in self._graphs:
            step(batch, out)
            return
        graph, its_batch, its_out = self._graphs[size]
        its_batch.copy_(batch)
        graph.replay()
        out.copy_(its_out)

    def _capture(self, step: Step, batch: Tensor, out: Tensor) -> None:
        try:
            # Not views of what comes and goes: the graph keeps their addresses.
            its_batch, its_out, graph = batch.clone(), out.clone(), torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                step(its_batch, its_out)
        except Exception as error:  # whatever the step does that a capture forbids
            # To end a capture that failed fails too; what came first is the reason.
            first = error.__context__ or error
            self.eager = f"{type(first).__name__}: {str(first).strip().partition(chr(10))[0]}"
            return
        self._graphs[len(batch)] = graph, its_batch, its_out
