"""How many images a second B trials train together on one GPU, by the way in which they share it.

    python benchmarks/gpu_sharing.py                       # all of it, about an hour on one GPU
    python benchmarks/gpu_sharing.py --device cpu --trials 1 2 --seconds 1 --batch 8 --width 4 --images 64

Ways: processes of their own, without and with CUDA's MPS; one process with a stream and a CUDA graph for
each trial; one process with all trials fused into one network, by grouped convolutions or by torch.func.vmap.
A step is whole: gather uint8 images, scale them, forward, backward, SGD. Every measurement runs in a process
of its own. float32 is PyTorch's default (TF32 in convolutions). Without a GPU steps run as plain loops: that
checks the script and says nothing of speed. Writes gpu_sharing.csv.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import torch
from fused import grouped, vmapped
from torch import Tensor, nn

from study.images.config import SIZES, ImageConfig
from study.images.models import network

Step = Callable[[], None]
IMAGE_SIZE, CLASSES = SIZES["mnist"], 10
LEARNING_RATE = 0.01
WARM_UP = 3


class Batches:
    """Random images, uint8 [n, H, W] on the device, and batches of them for B trials, each in its own order.

    The position lies on the device too, so that a captured step takes the next batch at every replay.
    """

    def __init__(self, images: int, batch: int, trials: int, device: torch.device) -> None:
        self._images = torch.randint(256, (images, IMAGE_SIZE, IMAGE_SIZE), dtype=torch.uint8, device=device)
        self._labels = torch.randint(CLASSES, (images,), device=device)
        orders = [torch.randperm(images, device=device)[: images // batch * batch] for _ in range(trials)]
        self._orders = torch.stack(orders).view(trials, -1, batch)
        self._position = torch.zeros(1, dtype=torch.int64, device=device)

    def next(self) -> tuple[Tensor, Tensor]:
        """Images, float [N, B, H, W], and labels [N, B]."""
        chosen = self._orders.index_select(1, self._position)[:, 0].T
        self._position.add_(1).remainder_(self._orders.shape[1])
        return self._images[chosen].float().div_(255), self._labels[chosen]


def step_of(
    forward: Callable[[Tensor], Tensor], weights: list[nn.Parameter], batches: Batches, bfloat16: bool
) -> Step:
    """One step of all trials that `forward` takes together: [N, B, H, W] -> [N, B, K]."""
    device = weights[0].device.type
    optimizer = torch.optim.SGD(weights, lr=LEARNING_RATE, foreach=True)

    def step() -> None:
        images, labels = batches.next()
        # Weights are cast anew in every step, as a captured one must.
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16, cache_enabled=False):
            logits = forward(images)
        # The sum over trials of each one's mean: trials do not mix.
        losses = nn.functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), reduction="sum")
        optimizer.zero_grad()
        (losses / len(images)).backward()
        optimizer.step()

    return step


def captured(step: Step, stream: torch.cuda.Stream) -> Step:
    """The same step as a CUDA graph that replays on this stream."""
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        step()

    def replay() -> None:
        with torch.cuda.stream(stream):
            graph.replay()

    return replay


def steps_of(way: str, trials: int, given: argparse.Namespace) -> list[Step]:
    """What one process calls in turn: a step for each trial, or one for all."""
    device = torch.device(given.device)
    config = ImageConfig(model=given.model, width=given.width)
    models = [
        network(given.model)(config, (1, IMAGE_SIZE, IMAGE_SIZE, CLASSES)).to(
            device, memory_format=torch.channels_last
        )
        for _ in range(trials)
    ]
    bfloat16 = given.precision == "bfloat16"
    if way in FUSIONS:
        forward, weights = FUSIONS[way](models)
        steps = [step_of(forward, weights, Batches(given.images, given.batch, trials, device), bfloat16)]
    else:
        steps = []
        for model in models:
            batches = Batches(given.images, given.batch, 1, device)

            def alone(images: Tensor, model: nn.Module = model) -> Tensor:
                logits: Tensor = model(images.contiguous(memory_format=torch.channels_last))
                return logits[:, None]

            steps.append(step_of(alone, list(model.parameters()), batches, bfloat16))
    return [captured(step, torch.cuda.Stream()) for step in steps] if device.type == "cuda" else steps


FUSIONS = {"grouped": grouped, "vmap": vmapped}


def measure(way: str, trials: int, given: argparse.Namespace) -> dict[str, float]:
    """In this process: images a second after warm-up, begun at a line on stdin; torch's memory in bytes."""
    steps = steps_of(way, trials, given)
    synchronize = torch.cuda.synchronize if given.device == "cuda" else lambda: None
    for step in steps * WARM_UP:
        step()
    synchronize()
    print("ready", flush=True)
    sys.stdin.readline()
    started, rounds = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < given.seconds:
        for _ in range(50 if given.device == "cuda" else 1):
            for step in steps:
                step()
            rounds += 1
        synchronize()
    memory = torch.cuda.max_memory_reserved() if given.device == "cuda" else 0
    return {"images_per_second": rounds * trials * given.batch / passed, "bytes": memory}


@contextlib.contextmanager
def mps() -> Iterator[dict[str, str]]:
    """CUDA's Multi-Process Service for those who get this environment; ended afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        environment = {**os.environ, **places}
        subprocess.run(["nvidia-cuda-mps-control", "-d"], env=environment, check=True)
        try:
            yield places
        finally:
            subprocess.run(
                ["nvidia-cuda-mps-control"], env=environment, input="quit\n", text=True, check=True
            )


def together(
    way: str, trials: int, given: argparse.Namespace, environment: dict[str, str]
) -> dict[str, object]:
    """Start the processes of this way, let them begin at once when all are ready, and add up their rates."""
    inside, processes = (way, 1) if way in (*FUSIONS, "streams") else ("streams", trials)
    each = trials // processes
    words = [sys.executable, __file__, "--inside", inside, "--trials", str(each)]
    for name in ("device", "model", "precision", "seconds", "batch", "width", "images"):
        words += [f"--{name}", str(getattr(given, name))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = [
        subprocess.Popen(words, text=True, env={**os.environ, **environment}, **pipes)
        for _ in range(processes)
    ]
    ready = [process.stdout.readline() == "ready\n" for process in started]
    outputs = [process.communicate("go\n" if all(ready) else "") for process in started]
    if not all(ready) or any(process.returncode for process in started):
        said = [err.strip().splitlines()[-1] for _, err in outputs if err.strip()]
        return {"failed": said[0] if said else "a process ended without a word"}
    found = [json.loads(out) for out, _ in outputs]
    return {name: sum(of[name] for of in found) for name in found[0]}


def ways(device: str) -> list[str]:
    """Those that can be had here."""
    with_mps = device == "cuda" and shutil.which("nvidia-cuda-mps-control")
    return ["processes", *(["processes, MPS"] if with_mps else []), "streams", *FUSIONS]


def main() -> None:
    """Measure everything, one line at a time; a way that fails, for want of memory say, keeps its reason."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--device", choices=["cuda", "cpu"], default=device)
    words.add_argument("--model", nargs="+", default=["cnn", "resnet18"])
    words.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    words.add_argument("--trials", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    words.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    words.add_argument("--batch", type=int, default=128)
    words.add_argument("--width", type=int, default=50)
    words.add_argument("--images", type=int, default=60_000)
    words.add_argument("--out", type=Path, default=Path("build/bench"))
    words.add_argument("--inside", help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.inside:
        given.model, given.precision = given.model[0], given.precision[0]
        print(json.dumps(measure(given.inside, given.trials[0], given)))
        return
    given.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for model in given.model:
        for precision in given.precision:
            for trials in given.trials:
                for way in ways(given.device):
                    one = argparse.Namespace(**{**vars(given), "model": model, "precision": precision})
                    with mps() if way.endswith("MPS") else contextlib.nullcontext({}) as environment:
                        found = together(way, trials, one, environment)
                    about = {"model": model, "precision": precision, "trials": trials, "way": way}
                    rows.append({**about, **found})
                    print(*rows[-1].values(), sep="\t", flush=True)
                    pd.DataFrame(rows).to_csv(given.out / "gpu_sharing.csv", index=False)
    table = pd.DataFrame(rows)
    if "images_per_second" in table:
        by = ["model", "precision", "trials"]
        print(table.pivot_table("images_per_second", by, "way").to_markdown(floatfmt=",.0f"))


if __name__ == "__main__":
    main()
