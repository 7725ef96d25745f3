"""The networks: the report's CNN, torchvision's ResNets, a user's own; all [N, 1, 28, 28] -> [N, 10].

N batch, C channels, H = W = 28 pixels, K = 10 classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from study.declare.own_code import is_plugin, resolve
from study.errors import StudyError
from study.images.config import IMAGE_SIZE, TrialConfig
from study.images.convolution import Convolution
from study.images.data import CLASSES

Network = Callable[[TrialConfig], nn.Module]


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
        """Logits [N, K] of images [N, 1, H, W] in [0, 1]."""
        logits: Tensor = self.layers(images)
        return logits


def resnet(config: TrialConfig) -> nn.Module:
    """torchvision's ResNet of this name with a first convolution of 1 channel (the report's Figure 11)."""
    from torchvision.models import get_model

    model: nn.Module = get_model(config.model, weights=None, num_classes=CLASSES)
    model.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.__class__ = Convolution  # torchvision takes no class for its convolutions
    return model


def network(name: str) -> Network:
    """The function that builds the network of this name, freshly initialised from torch's generator."""
    if is_plugin(name):
        return resolve(name)
    return CNN if name == "cnn" else resnet


def count(config: TrialConfig) -> tuple[int, int, int]:
    """The fields of a Cost of the config's network.

    Counted without computing, on torch's meta device, where it is one of ours.
    Raises StudyError where a user's own network can't be built or gives another shape than [N, 10].
    """
    if is_plugin(config.model):
        return _plugin_count(config)
    with torch.device("meta"):
        return _counted(network(config.model)(config))[0]


def _plugin_count(config: TrialConfig) -> tuple[int, int, int]:
    try:
        counted, shape = _counted(network(config.model)(config))
    except StudyError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's own code raises
        raise StudyError(
            f"model {config.model!r} fails on images [2, 1, {IMAGE_SIZE}, {IMAGE_SIZE}]: "
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        ) from None
    if shape != (2, CLASSES):
        raise StudyError(
            f"model {config.model!r} gives {list(shape)} for 2 images; needed is [2, {CLASSES}], "
            "one row of logits per image"
        )
    return counted


def _counted(model: nn.Module) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """What `count` gives, and the shape of the logits of two images."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"it returned a {type(model).__name__} instead of an nn.Module")
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        logits = model(torch.zeros(2, 1, IMAGE_SIZE, IMAGE_SIZE))
    parameters = sum(weights.numel() for weights in model.parameters() if weights.requires_grad)
    layers = sum(weights.dim() > 1 for weights in model.parameters())
    return (parameters, counter.get_total_flops() // 2, layers), tuple(logits.shape)
