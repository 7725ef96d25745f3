"""What a config trains with: its optimizer and its loss.

K classes.
"""

from __future__ import annotations

import inspect
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from study.images.config import ImageConfig

Kind = TypeVar("Kind", bound=torch.optim.Optimizer)

# Methods that torch keeps its compiler from following.
UNCOMPILED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def light(kind: type[Kind]) -> type[Kind]:
    """The same optimizer for a training that is never compiled or differentiated.

    torch's own imports its compiler to keep it out, which takes each process a second and more.
    """
    own = {name: inspect.unwrap(getattr(kind, name)) for name in UNCOMPILED}
    step = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), {**own, "step": step})


def optimizer(config: ImageConfig, model: nn.Module) -> torch.optim.Optimizer:
    """torch's optimizer of this name; what the config does not have stays at torch's default.

    On a GPU it can be part of a CUDA graph: it reads nothing from the device, and keeps there what changes
    from step to step. The learning rate does not change, so it may be a number of the graph. Adagrad counts
    its steps on the CPU, which a graph does not repeat; as its learning rate does not decay, it never asks.
    """
    weights, lr, decay = list(model.parameters()), config.lr, config.weight_decay
    on_gpu = any(weight.is_cuda for weight in weights)
    match config.optimizer:
        case "sgd":
            momentum, nesterov = config.momentum, config.nesterov
            return light(torch.optim.SGD)(weights, lr, momentum, weight_decay=decay, nesterov=nesterov)
        case "adagrad":
            return light(torch.optim.Adagrad)(weights, lr, weight_decay=decay)
        case "adam":
            return light(torch.optim.Adam)(weights, lr, weight_decay=decay, capturable=on_gpu)
        case "adamw":
            return light(torch.optim.AdamW)(weights, lr, weight_decay=decay, capturable=on_gpu)
        case "rmsprop":
            momentum = config.momentum
            return light(torch.optim.RMSprop)(
                weights, lr, weight_decay=decay, momentum=momentum, capturable=on_gpu
            )


def loss(config: ImageConfig, labels: npt.NDArray[np.int64], classes: int) -> nn.CrossEntropyLoss:
    """The cross-entropy of the config, for a training set with these labels [N]."""
    weight = None
    if config.loss == "balanced_cross_entropy":
        weight = torch.tensor(balanced_weights(labels, classes), dtype=torch.float32)
    return nn.CrossEntropyLoss(weight=weight, label_smoothing=config.label_smoothing)


def balanced_weights(labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float64]:
    """N / n_c / K for each class c, 1 for balanced classes (the report's Figure 7: 60000 / n_c / 10).

    float64 [K] from labels [N]; 0 for a class that has no image.
    """
    counts = np.bincount(labels, minlength=classes)
    return np.divide(len(labels) / classes, counts, out=np.zeros(classes), where=counts > 0)
