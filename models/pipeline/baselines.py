"""The networks that the shipped one is compared with: U-Net, and V-Net's blocks, slice by slice.

Both follow the papers (Ronneberger 2015; Milletari 2016) in shape and take widths that can be
trained on a CPU. Logits come at full resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .network import CLASSES, conv


class UNet(nn.Module):
    """Two 3x3 convolutions per level, pooling down, transposed convolutions up, concatenated skips."""

    def __init__(self, width: int = 16, levels: int = 5):
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList(
            _double(before, after) for before, after in zip([3, *widths], widths, strict=False)
        )
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.rise = nn.ModuleList(nn.ConvTranspose2d(deep, fine, 2, 2) for deep, fine in pairs)
        self.mix = nn.ModuleList(_double(2 * fine, fine) for _, fine in pairs)
        self.classes = nn.Conv2d(width, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for index, level in enumerate(self.down):
            x = level(x if index == 0 else nn.functional.max_pool2d(x, 2))
            kept.append(x)
        for rise, mix, skip in zip(self.rise, self.mix, kept[-2::-1], strict=True):
            x = mix(torch.cat([rise(x), skip], dim=1))
        return self.classes(x)


class VNet(nn.Module):
    """V-Net's residual stages with 5x5 convolutions, PReLU and strided resampling, in two dimensions."""

    def __init__(self, width: int = 16, levels: int = 4):
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        self.stem = nn.Conv2d(3, width, 1)
        self.stages = nn.ModuleList(_Stage(w, min(index + 1, 3)) for index, w in enumerate(widths))
        steps = list(zip(widths, widths[1:], strict=False))
        self.down = nn.ModuleList(nn.Conv2d(fine, deep, 2, 2) for fine, deep in steps)
        self.rise = nn.ModuleList(nn.ConvTranspose2d(deep, fine, 2, 2) for fine, deep in steps[::-1])
        self.fuse = nn.ModuleList(nn.Conv2d(2 * fine, fine, 1) for fine, _ in steps[::-1])
        self.refine = nn.ModuleList(_Stage(fine, 1) for fine, _ in steps[::-1])
        self.classes = nn.Conv2d(width, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages[0](self.stem(x))
        kept = [x]
        for down, stage in zip(self.down, self.stages[1:], strict=True):
            x = stage(down(x))
            kept.append(x)
        for rise, fuse, refine, skip in zip(self.rise, self.fuse, self.refine, kept[-2::-1], strict=True):
            x = refine(fuse(torch.cat([rise(x), skip], dim=1)))
        return self.classes(x)


class _Stage(nn.Module):
    """`count` 5x5 convolutions beside an identity."""

    def __init__(self, width: int, count: int):
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(count):
            layers += [conv(width, width, 5), nn.PReLU(width)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        conv(inputs, outputs, 3), nn.ReLU(inplace=True), conv(outputs, outputs, 3), nn.ReLU(inplace=True)
    )


class Promptless(nn.Module):
    """The shipped shape as a plain image-to-logits network, for a comparison on equal terms."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)[0]
