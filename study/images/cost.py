"""What a config's network costs: its parameters and operations. A plan shows them, so without torch.

torch takes two seconds and 700 MB to import; for the report's CNN, arithmetic does.
"""

from __future__ import annotations

import functools
from pathlib import Path

from study.images.config import ImageConfig
from study.images.data import Dataset, Shape, shape_of
from study.own_code import is_plugin
from study.training import Cost

# Per image, forward. The report's CNNs and ResNet-18 are below it, at most 72 million; ResNet-34 is above.
LARGE_NETWORK_FLOPS = 100_000_000
# Of a layer in a step of training, on average. From there on two threads train nearly as many images as two
# trials of one thread do (CNN of width 50: 0.95, 100: 0.98); in smaller layers they wait more for each other
# (width 25: 0.93, 12: 0.86, ResNet-18 and 50: 0.92; benchmarks/threads.py). More than two were not measured.
TWO_THREADS_FLOPS = 2e9

# What an image and a step take besides, of a CPU, in operations that would take as long: with them a step of 128 images
# takes 5.7 ms for a million operations of an image at widths 2 to 25, 4.4 at 100, 3.2 in ResNet-18, 4.6 in ResNet-50,
# without them 99 to 3.2 (one thread of an AMD EPYC with AVX-512,
# float32; benchmarks/step.py --threads 1 --width 12 --keep-freed and so on).
IMAGE_FLOPS, STEP_FLOPS = 0.6e6, 50e6

# Linux's list of what the processor can do, and the words in it for products of bfloat16 (x86; ARM).
CPU_INFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
# A step of the report's CNN, one thread, against float32: 2.2 of width 25 with AVX-512 alone and 6.1 with AVX2 alone (a
# Xeon held to these by ONEDNN_MAX_CPU_ISA), 12 of width 100 on an AMD EPYC with AVX2; benchmarks/step.py.
EMULATED = (
    "precision = bfloat16: this processor has no instructions for it and emulates them, 2 to 12 times slower than "
    "float32 (measured; docs/performance.md). Use float32 here."
)

# Trainable parameters, floating-point operations of an image's forward pass, layers with weights.
Counts = tuple[int, int, int]


def cost(config: ImageConfig, dataset: Dataset | None = None) -> Cost:
    """Of the config's network; the FLOPs are those of its convolutions and linear layers, without biases.

    Raises StudyError where a user's own network can't be built or gives another shape than [N, K].
    """
    parameters, flops, layers = counts(config, shape_of(config.dataset, dataset))
    # Forward, and backward for weights and for inputs.
    of_layer = 3 * flops * config.batch_size / max(1, layers)
    trained = (len(dataset.train_labels) - config.validation_size if dataset else 1) * config.epochs
    work = trained * (flops + IMAGE_FLOPS + STEP_FLOPS / config.batch_size)
    return Cost(
        work=float(work),
        threads=2 if of_layer >= TWO_THREADS_FLOPS else 1,
        # A small network waits for the launch of its kernels most of the time.
        on_a_gpu=8 if flops < LARGE_NETWORK_FLOPS else 4,
        on_a_cpu=EMULATED if config.precision == "bfloat16" and not has_bfloat16(CPU_INFO) else "",
        facts={"parameters": parameters, "flops_per_image": flops},
    )


@functools.cache
def has_bfloat16(cpu_info: Path) -> bool:
    """Whether the processor has instructions for it; where the system has no such file, this is not known: True."""
    try:
        return not BFLOAT16_FLAGS.isdisjoint(cpu_info.read_text(encoding="utf-8").split())
    except OSError:
        return True


def counts(config: ImageConfig, shape: Shape) -> Counts:
    """Parameters, FLOPs and layers of the config's network for images and classes of this shape."""
    if config.model == "cnn":
        return _of_cnn(config, shape)
    # A user's own network may depend on any field.
    return _counted(config if is_plugin(config.model) else ImageConfig(model=config.model), shape)


def _of_cnn(config: ImageConfig, shape: Shape) -> Counts:
    """The layers of `models.CNN`, with which a test compares it."""
    weights = biases = flops = 0
    channels, height, width, classes = shape
    for i in range(config.conv_layers):
        wider = config.width * 2**i
        of_layer = channels * wider * config.kernel_size**2
        weights, biases = weights + of_layer, biases + wider
        flops += 2 * of_layer * height * width
        channels, height, width = wider, height // 2, width // 2
    features = channels * height * width
    for wider in [config.fc_width] * (config.fc_layers - 1) + [classes]:
        weights, biases, flops = weights + features * wider, biases + wider, flops + 2 * features * wider
        features = wider
    return weights + biases, flops, config.conv_layers + config.fc_layers


@functools.lru_cache(maxsize=4096)
def _counted(config: ImageConfig, shape: Shape) -> Counts:
    from study.images import models

    return models.count(config, shape)
