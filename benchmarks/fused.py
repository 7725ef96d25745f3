"""Several trials of one network as a single network: what may replace many small kernels by few large ones.

N batch, B trials, C channels, H W pixels, K classes. Each trial has weights and images of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

Fused = tuple[Callable[[Tensor], Tensor], list[nn.Parameter]]


class GroupedLinear(nn.Module):
    """B linear layers side by side: [N, B*features] -> [N, B*K]."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers])[:, None])

    def forward(self, features: Tensor) -> Tensor:
        """Trial by trial a matrix product: one `baddbmm`."""
        trials, _, inputs = self.weight.shape
        apart = features.view(-1, trials, inputs).transpose(0, 1)
        return torch.baddbmm(self.bias, apart, self.weight.mT).transpose(0, 1).flatten(1)


def _side_by_side(layers: Sequence[nn.Module]) -> nn.Module:
    """One layer that does to B*C channels what each of these does to its C."""
    first = layers[0]
    if isinstance(first, nn.Linear):
        return GroupedLinear(layers)
    if not isinstance(first, nn.Conv2d | nn.BatchNorm2d):
        return first
    wide = copy.deepcopy(first)
    if isinstance(wide, nn.Conv2d):
        wide.groups *= len(layers)
        wide.in_channels *= len(layers)
        wide.out_channels *= len(layers)
    else:
        wide.num_features *= len(layers)
    for name, parameter in first.named_parameters():
        whole = torch.cat([layer.get_parameter(name).detach() for layer in layers])
        setattr(wide, name, nn.Parameter(whole) if parameter is not None else None)
    for name, buffer in first.named_buffers():
        if buffer.dim():
            setattr(wide, name, torch.cat([layer.get_buffer(name) for layer in layers]))
    return wide


def grouped(models: Sequence[nn.Module]) -> Fused:
    """Grouped convolutions: images [N, B, H, W] -> logits [N, B, K], and the weights to optimise."""
    wide = copy.deepcopy(models[0])
    for name, module in list(wide.named_modules()):
        if name and not list(module.children()):
            wide.set_submodule(name, _side_by_side([model.get_submodule(name) for model in models]))

    def forward(images: Tensor) -> Tensor:
        wanted: Tensor = wide(images.contiguous(memory_format=torch.channels_last))
        return wanted.unflatten(1, (len(models), -1))

    wide.to(memory_format=torch.channels_last)
    return forward, list(wide.parameters())


def vmapped(models: Sequence[nn.Module]) -> Fused:
    """torch.func.vmap over stacked weights: images [N, B, H, W] -> logits [N, B, K], and the weights."""
    weights, buffers = stack_module_state(list(models))
    template = copy.deepcopy(models[0]).to("meta")

    def one(weights: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor) -> Tensor:
        logits: Tensor = functional_call(template, (weights, buffers), images[:, None])
        return logits

    def forward(images: Tensor) -> Tensor:
        return torch.vmap(one, in_dims=(0, 0, 1), out_dims=1)(weights, buffers, images)

    return forward, list(weights.values())
