"""How fast this machine multiplies matrices, at the sizes that training does it; and what an epoch takes.

    python benchmarks/matmul.py

The limit that training is compared with: torch.mm of every matrix product of a training step, one after the
other, as if a convolution were nothing else. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from study.images.config import SIZES, ImageConfig
from study.images.models import network

IMAGE_SIZE, CLASSES = SIZES["mnist"], 10
Size = tuple[int, int, int]  # rows, inner, columns


def flops(width: int, images: int, tested: int) -> int:
    """Floating-point operations of one epoch on so many images and one evaluation on the test images."""
    with torch.device("meta"):
        model = network("cnn")(ImageConfig(width=width), (1, IMAGE_SIZE, IMAGE_SIZE, CLASSES))
        batch, labels = torch.zeros(2, 1, IMAGE_SIZE, IMAGE_SIZE), torch.zeros(2, dtype=torch.int64)
        with FlopCounterMode(display=False) as training:
            nn.functional.cross_entropy(model(batch), labels).backward()
        with FlopCounterMode(display=False) as testing, torch.no_grad():
            model(batch)
    return training.get_total_flops() // 2 * images + testing.get_total_flops() // 2 * tested


def sizes(width: int, batch: int) -> list[Size]:
    """The matrix products of a step: each layer's output, its weights' gradient, its input's gradient.

    Convolutions as products over 3x3 patches. The images themselves need no gradient.
    """
    rows = batch * IMAGE_SIZE**2
    first, *others = (rows, 9, width), (rows // 4, 9 * width, 2 * width), (batch, 2 * width * 49, CLASSES)
    outputs = [first, *others]
    weights = [(inner, rows, columns) for rows, inner, columns in outputs]
    inputs = [(rows, columns, inner) for rows, inner, columns in others]
    return outputs + weights + inputs


def rate(products: list[Size], dtype: torch.dtype, seconds: float) -> float:
    """FLOP/s of these products in turn, repeated for about so many seconds."""
    device = "cuda" if torch.cuda.is_available() else "cpu"

    def matrix(*shape: int) -> torch.Tensor:
        return torch.rand(shape, device=device).to(dtype)

    operands = [(matrix(rows, inner), matrix(inner, columns)) for rows, inner, columns in products]

    def once() -> None:
        for a, b in operands:
            torch.mm(a, b)
        if device == "cuda":
            torch.cuda.synchronize()

    once()
    started, rounds = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < seconds or not rounds:
        once()
        rounds += 1
    return rounds * sum(2 * rows * inner * columns for rows, inner, columns in products) / passed


def main() -> None:
    """Print FLOP/s by precision and kind of product, FLOPs by width, and the number of GPUs."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--widths", type=int, nargs="+", default=[12, 25, 50, 100])
    words.add_argument("--images", type=int, default=60_000)
    words.add_argument("--tested", type=int, default=10_000)
    words.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    words.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    given = words.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    step = [size for width in given.widths for size in sizes(width, ImageConfig().batch_size)]
    rates = {
        precision: {
            "square": rate([(2048, 2048, 2048)], getattr(torch, precision), given.seconds),
            "as in training": rate(step, getattr(torch, precision), given.seconds),
        }
        for precision in given.precisions
    }
    of = {width: flops(width, given.images, given.tested) for width in given.widths}
    print(json.dumps({"rates": rates, "flops": of, "gpus": torch.cuda.device_count()}))


if __name__ == "__main__":
    main()
