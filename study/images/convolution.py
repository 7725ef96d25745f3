"""Convolutions of images smaller than their kernel, as the last ones of a ResNet on 28 x 28 pixels are.

N batch, C input and D output channels, H = W pixels to a side, P of the output.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Convolution(nn.Conv2d):
    """torch's, for square images, kernels and strides; on a CPU one matrix product where that is less work.

    That is where every output position sees the whole input: with a kernel of 3 and a padding of 1, images of 2 x 2 and
    1 x 1 pixels. oneDNN multiplies by the padding there, or is slow at single pixels.
    """

    def forward(self, images: Tensor) -> Tensor:
        """[N, D, P, P] of images [N, C, H, W]."""
        (kernel, _), (stride, _), padding = self.kernel_size, self.stride, int(self.padding[0])
        pixels = (images.shape[-1] + 2 * padding - kernel) // stride + 1
        seen = min(images.shape[-1], (pixels - 1) * stride + kernel - padding)
        # Which row of the kernel meets the image's first row, by row of output.
        starts = padding - stride * torch.arange(pixels)
        if not images.is_cpu or self.groups > 1 or padding + seen > kernel or starts[-1] < 0:
            return super().forward(images)
        rows = starts[:, None] + torch.arange(seen)
        taps = kernel * rows[:, None, :, None] + rows[:, None, :]  # [P, P, seen, seen]
        weights = self.weight.permute(2, 3, 0, 1).flatten(0, 1).index_select(0, taps.flatten())
        matrix = weights.view(pixels**2, seen**2, *weights.shape[1:]).transpose(1, 2)
        window = images[..., :seen, :seen].permute(0, 2, 3, 1).flatten(1)
        bias = None if self.bias is None else self.bias.repeat(pixels**2)
        out = nn.functional.linear(window, matrix.reshape(-1, window.shape[1]), bias)
        return out.view(-1, pixels, pixels, self.out_channels).permute(0, 3, 1, 2)
