"""What a config's network costs: its parameters and operations. A plan shows them, so without torch.

torch takes two seconds and 700 MB to import; for the report's CNN, arithmetic does.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from study.images.config import IMAGE_SIZE, TrialConfig
from study.images.data import CLASSES


@dataclass(frozen=True)
class Cost:
    """Trainable parameters, floating-point operations of an image's forward pass, layers with weights."""

    parameters: int
    flops: int
    layers: int


def cost(config: TrialConfig) -> Cost:
    """Of the config's network; the FLOPs are those of its convolutions and linear layers, without biases.

    Raises StudyError where a user's own network can't be built or gives another shape than [N, 10].
    """
    if config.model == "cnn":
        return _of_cnn(config)
    if ":" in config.model:  # a user's own network may depend on any field, the seed apart
        return _counted(config.model_copy(update={"seed": 0}))
    return _counted(TrialConfig(model=config.model))


def _of_cnn(config: TrialConfig) -> Cost:
    """The layers of `models.CNN`, with which a test compares it."""
    weights = biases = flops = 0
    channels, size = 1, IMAGE_SIZE
    for i in range(config.conv_layers):
        wider = config.width * 2**i
        of_layer = channels * wider * config.kernel_size**2
        weights, biases, flops = weights + of_layer, biases + wider, flops + 2 * of_layer * size**2
        channels, size = wider, size // 2
    features = channels * size * size
    for wider in [config.fc_width] * (config.fc_layers - 1) + [CLASSES]:
        weights, biases, flops = weights + features * wider, biases + wider, flops + 2 * features * wider
        features = wider
    return Cost(weights + biases, flops, config.conv_layers + config.fc_layers)


@functools.lru_cache(maxsize=4096)
def _counted(config: TrialConfig) -> Cost:
    from study.images import models

    return Cost(*models.count(config))
