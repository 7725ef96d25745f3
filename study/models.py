"""The networks: the report's CNN and torchvision's ResNets, all [N, 1, 28, 28] -> [N, 10].

N batch, C channels, K = 10 classes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from study.config import IMAGE_SIZE, TrialConfig
from study.data import CLASSES


class CNN(nn.Module):
    """The report's convolutional network (its Figure 1; widths double from layer to layer, Figure 10).

    Each convolution is followed by a 2x2 max pool and ReLU, in this order: max and ReLU commute, so the
    function is the same as the other way round, on a quarter of the elements.
    """

    def __init__(self, config: TrialConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, size = 1, IMAGE_SIZE
        for i in range(config.conv_layers):
            wider = config.width * 2**i
            padding = config.kernel_size // 2
            layers += [nn.Conv2d(channels, wider, config.kernel_size, padding=padding)]
            layers += [nn.MaxPool2d(2), nn.ReLU()]
            channels, size = wider, size // 2
        layers += [nn.Flatten()]
        features = channels * size * size
        for _ in range(config.fc_layers - 1):
            layers += [nn.Linear(features, config.fc_width), nn.ReLU()]
            if config.dropout:
                layers += [nn.Dropout(config.dropout)]
            features = config.fc_width
        self.layers = nn.Sequential(*layers, nn.Linear(features, CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, K] of images [N, 1, 28, 28] in [0, 1]."""
        logits: Tensor = self.layers(images)
        return logits


def build(config: TrialConfig) -> nn.Module:
    """The config's network, freshly initialised from torch's global generator."""
    return CNN(config)


@dataclass(frozen=True)
class Cost:
    """Trainable parameters, and floating-point operations of one image's forward pass."""

    parameters: int
    flops: int


def cost(config: TrialConfig) -> Cost:
    """Counted on torch's meta device: nothing is allocated or computed."""
    return _cost(config.model_copy(update={"seed": 0}))


@functools.lru_cache(maxsize=4096)
def _cost(config: TrialConfig) -> Cost:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model = build(config).eval()
        model(torch.zeros(1, 1, IMAGE_SIZE, IMAGE_SIZE))
    return Cost(sum(weights.numel() for weights in model.parameters()), counter.get_total_flops())
