"""The networks: the report's CNN, torchvision's ResNets, a user's own; all [N, C, H, W] -> [N, K].

N batch, C channels, H and W pixels, K classes; MNIST has 1, 28, 28 and 10 of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from study.errors import StudyError
from study.images.config import ImageConfig
from study.images.convolution import Convolution
from study.images.data import Shape
from study.own_code import is_plugin, resolve

Network = Callable[[ImageConfig, Shape], nn.Module]

# Methods of a LightningModule, by which it trains itself.
OWN_LOOP = ("training_step", "configure_optimizers")


class CNN(nn.Module):
    """The report's convolutional network (its Figure 1; widths double from layer to layer, Figure 10).

    Each convolution is followed by a 2x2 max pool and ReLU, in this order: max and ReLU commute, so the
    function is the same as the other way round, on a quarter of the elements.
    """

    def __init__(self, config: ImageConfig, shape: Shape) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, height, width, classes = shape
        for i in range(config.conv_layers):
            wider = config.width * 2**i
            padding = config.kernel_size // 2
            layers += [nn.Conv2d(channels, wider, config.kernel_size, padding=padding)]
            layers += [nn.MaxPool2d(2), nn.ReLU()]
            channels, height, width = wider, height // 2, width // 2
        layers += [nn.Flatten()]
        features = channels * height * width
        for _ in range(config.fc_layers - 1):
            layers += [nn.Linear(features, config.fc_width), nn.ReLU()]
            if config.dropout:
                layers += [nn.Dropout(config.dropout)]
            features = config.fc_width
        self.layers = nn.Sequential(*layers, nn.Linear(features, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, K] of images [N, 1, H, W] in [0, 1]."""
        logits: Tensor = self.layers(images)
        return logits


def resnet(config: ImageConfig, shape: Shape) -> nn.Module:
    """torchvision's ResNet of this name with a first convolution for these channels (the report's Figure 11)."""
    from torchvision.models import get_model

    model: nn.Module = get_model(config.model, weights=None, num_classes=shape[3])
    model.conv1 = nn.Conv2d(shape[0], 64, kernel_size=7, stride=2, padding=3, bias=False)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.__class__ = Convolution  # torchvision takes no class for its convolutions
    return model


def network(name: str) -> Network:
    """The function that builds the network of this name, freshly initialised from torch's generator."""
    if is_plugin(name):
        return _own(name)
    return CNN if name == "cnn" else resnet


def _own(name: str) -> Network:
    """A user's own function of the config, and of `shape` (C, H, W) and `classes` where it has such parameters."""
    function = resolve(name)
    asked = inspect.signature(function).parameters.keys() & {"shape", "classes"}

    def built(config: ImageConfig, shape: Shape) -> nn.Module:
        given = {"shape": shape[:3], "classes": shape[3]}
        module: nn.Module = function(config, **{name: given[name] for name in asked})
        return module

    return built


def count(config: ImageConfig, shape: Shape) -> tuple[int, int, int]:
    """Parameters, FLOPs of an image's forward pass and layers with weights of the config's network.

    Counted without computing, on torch's meta device, where it is one of ours.
    Raises StudyError where a user's own network can't be built or gives another shape than [N, K].
    """
    if is_plugin(config.model):
        return _plugin_count(config, shape)
    with torch.device("meta"):
        return _counted(network(config.model)(config, shape), shape)[0]


def needs_two(config: ImageConfig, shape: Shape) -> bool:
    """Whether the config's network can't be trained on a batch of one image.

    Batch normalisation can't where it sees a single value of each channel, as at a ResNet's end for small images.
    """
    with torch.device("cpu" if is_plugin(config.model) else "meta"), torch.no_grad():
        try:
            network(config.model)(config, shape).train()(torch.zeros(1, *shape[:3]))
        except ValueError as error:
            return "more than 1 value per channel" in str(error)
        except (Exception, SystemExit):  # a user's own network that fails is refused where it is counted
            return False
    return False


def _plugin_count(config: ImageConfig, shape: Shape) -> tuple[int, int, int]:
    try:
        counted, given = _counted(network(config.model)(config, shape), shape)
    except StudyError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's own code raises
        raise StudyError(
            f"model {config.model!r} fails on images {[2, *shape[:3]]}: "
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        ) from None
    if given != (2, shape[3]):
        raise StudyError(
            f"model {config.model!r} gives {list(given)} for 2 images; needed is [2, {shape[3]}], "
            "one row of logits per image"
        )
    return counted


def _counted(model: nn.Module, shape: Shape) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """What `count` gives, and the shape of the logits of two images."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"it returned a {type(model).__name__} instead of an nn.Module")
    if own_loop := [name for name in OWN_LOOP if hasattr(model, name)]:
        raise TypeError(
            f"it has a training loop of its own ({own_loop[0]}), which would not be used here; "
            "give it as a training: docs/your-training.md"
        )
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        logits = model(torch.zeros(2, *shape[:3]))
    parameters = sum(weights.numel() for weights in model.parameters() if weights.requires_grad)
    layers = sum(weights.dim() > 1 for weights in model.parameters())
    return (parameters, counter.get_total_flops() // 2, layers), tuple(logits.shape)
