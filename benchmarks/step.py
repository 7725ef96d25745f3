"""How fast is a training step of the baseline CNN, against the plain way to write it?

Plain: torchvision's DataLoader with ToTensor, ReLU then pool, contiguous tensors, float32. Ours: TrialRun,
in float32 and bfloat16. All take turns in one process with the same threads, since machines drift; what
counts are the ratios. Images are random: speed does not depend on them.

    python benchmarks/step.py [--threads N] [--steps N] [--model NAME] [--width N] [--keep-freed] [--profile]
"""

from __future__ import annotations

import argparse
import itertools
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from torchvision.models import get_model

from study.images.config import ImageConfig
from study.images.data import Dataset
from study.images.declaration import Images
from study.running import allocator
from study.running.trial_run import TrialRun

BATCH = 128
ROUNDS = 5


def plain(dataset: Dataset, model: nn.Module) -> Callable[[], object]:
    """One step as an introductory tutorial writes it."""

    class Images(datasets.VisionDataset):
        def __init__(self) -> None:
            super().__init__(transform=transforms.ToTensor())

        def __len__(self) -> int:
            return len(dataset.train_labels)

        def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
            from PIL import Image

            return self.transform(Image.fromarray(dataset.train_images[i, 0])), int(dataset.train_labels[i])

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = itertools.chain.from_iterable(
        DataLoader(Images(), BATCH, shuffle=True, drop_last=True) for _ in itertools.count()
    )

    def step() -> None:
        images, labels = next(batches)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def usual(model: str, width: int) -> nn.Module:
    """The report's network as it is usually written: a CNN has ReLU, then pool; a ResNet is torchvision's."""
    if model != "cnn":
        resnet: nn.Module = get_model(model, num_classes=10)
        resnet.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        return resnet
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(98 * width, 10),
    )  # fmt: skip


def matrix_rate(dtype: torch.dtype, seconds: float = 1.0) -> float:
    """Measured rate of a 1024 x 1024 matrix product in FLOP/s."""
    a = torch.rand(1024, 1024).to(dtype)
    started, products = time.perf_counter(), 0
    while products == 0 or time.perf_counter() - started < seconds:
        a @ a
        products += 1
    return products * 2 * 1024**3 / (time.perf_counter() - started)


def profile(kind: str, step: Callable[[], object], steps: int = 3) -> None:
    """Print the operations that take most of a step."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as recorded:
        for _ in range(steps):
            step()
    found = sorted(recorded.key_averages(), key=lambda of: -of.self_cpu_time_total)
    print(kind)
    for of in found[:5]:
        print(f"  {of.key:<40} {of.self_cpu_time_total / steps / 1e3:8.1f} ms/step")


def main() -> None:
    """Print milliseconds per step and ratios."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--threads", type=int, default=torch.get_num_threads())
    words.add_argument("--steps", type=int, default=10, help="steps per round and kind")
    words.add_argument("--model", default="cnn", help="cnn (the baseline), resnet18, ...")
    words.add_argument("--width", type=int, default=50, help="of the CNN; the baseline's is 50")
    words.add_argument("--keep-freed", action="store_true", help="freed memory, as trials of `study` do")
    words.add_argument("--profile", action="store_true", help="show where the time goes, instead")
    given = words.parse_args()
    torch.set_num_threads(given.threads)
    if given.keep_freed:
        allocator.keep_freed()
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (6000, 1, 28, 28), np.uint8)
    labels = generator.integers(0, 10, 6000)
    dataset = Dataset("random", images, labels, images[:10], labels[:10])

    config = ImageConfig(model=given.model, width=given.width, epochs=10**5)
    kinds: dict[str, Callable[[], object]] = {
        "plain float32": plain(dataset, usual(given.model, given.width))
    }
    for precision in ("float32", "bfloat16"):
        trial = TrialRun(Images, config.model_copy(update={"precision": precision}), dataset, 0)
        kinds[f"study {precision}"] = lambda trial=trial: trial.run(1)
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for kind, step in kinds.items():
        step()  # the first builds what later ones reuse
        if given.profile:
            profile(kind, step)
    if given.profile:
        return
    for _ in range(ROUNDS):
        for kind, step in kinds.items():
            for _ in range(given.steps):
                started = time.perf_counter()
                step()
                seconds[kind].append(time.perf_counter() - started)
    print(f"{platform.processor() or platform.machine()}, {given.threads} threads, torch {torch.__version__}")
    for dtype in (torch.float32, torch.bfloat16):
        print(f"matrix product {str(dtype)[6:]:<9} {matrix_rate(dtype) / 1e9:8.1f} GFLOP/s")
    base = statistics.median(seconds["plain float32"])
    for kind, times in seconds.items():
        median = statistics.median(times)
        print(f"{kind:<18} {median * 1e3:8.1f} ms/step   {median / base:5.2f} of the plain way")


if __name__ == "__main__":
    main()
