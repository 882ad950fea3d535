"""SAM's other way to ask: a mask for a point or for a box, from the embeddings that are there anyway.

The head is SAM's mask decoder at this encoder's size: prompts are random Fourier features of their
place plus a learned vector of their kind, they attend to the pooled embedding together with one mask
token, and the mask token's product with the enlarged embedding is the mask (Kirillov et al.,
arXiv:2304.02643). SAM also takes a coarse mask; here every prompt is drawn as one, which a head this
small learns from hundreds of steps instead of many thousands. Prompts are simulated from the labels: a point is the mass centre if that lies
inside, else any pixel inside; a box is tight, its corners moved by some pixels.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

from .data import BACKGROUND, IGNORED, LIVER_OR_TUMOUR, SIZE, TUMOUR
from .network import Attention, conv

INSIDE, FIRST_CORNER, SECOND_CORNER, NOTHING = range(4)
"""Kinds of a prompt's two places."""
SPOT, EDGE = 0.03, 0.004
"""Width of a drawn point and softness of a drawn box, of the field."""
SMALLEST_LESION = 12
"""Pixels; smaller ones are seldom aimed at."""


class PromptHead(nn.Module):
    """Embedding [B, E, S/4, S/4], places [B, 2, 2] (row, column; 0..1), kinds [B, 2] -> [B, 1, S/2, S/2]."""

    def __init__(self, embedding: int, blocks: int = 2, heads: int = 4):
        super().__init__()
        self.grid = SIZE // 16
        # Kept with the weights: with other frequencies every place would look different.
        self.register_buffer("frequencies", torch.randn(2, embedding // 2))
        self.kinds = nn.Parameter(torch.randn(4, embedding) * 0.02)
        self.mask = nn.Parameter(torch.randn(1, 1, embedding) * 0.02)
        self.pool = conv(embedding, embedding, 4, 4)
        count = 3 + self.grid**2
        self.blocks = nn.ModuleList(Attention(count, embedding, heads) for _ in range(blocks))
        self.back = nn.Conv2d(embedding, 16 * embedding, 1)
        self.mix = conv(embedding + 2, embedding, 3)
        self.expand = nn.Conv2d(embedding, 4 * embedding, 1)
        self.weigh = nn.Sequential(
            nn.LayerNorm(embedding), nn.Linear(embedding, embedding), nn.ReLU(), nn.Linear(embedding, embedding)
        )
        axis = (torch.arange(self.grid) + 0.5) / self.grid
        middles = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).reshape(1, -1, 2)
        self.register_buffer("middles", middles, persistent=False)
        cells = (torch.arange(4 * self.grid) + 0.5) / (4 * self.grid)
        self.register_buffer("cells", cells, persistent=False)

    def places(self, at: Tensor) -> Tensor:
        """Random Fourier features [B, N, E] of places [B, N, 2]."""
        angles = 2 * math.pi * (2 * at - 1) @ self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def drawn(self, at: Tensor, kinds: Tensor) -> Tensor:
        """The prompt as coarse masks [B, 2, S/4, S/4]: a spot of some pixels, or the box."""
        after = torch.sigmoid((self.cells - at[..., None]) / EDGE)
        within = after[:, 0] * (1 - after[:, 1])
        rows, columns = within[:, 0, :, None], within[:, 1, None, :]
        away = (self.cells - at[:, 0, :, None]) ** 2 / SPOT**2
        spot = torch.exp(-away[:, 0, :, None] - away[:, 1, None, :])
        is_box = (kinds[:, :1] == FIRST_CORNER)[..., None].float()
        return torch.stack([spot * (1 - is_box), rows * columns * is_box], dim=1)

    def forward(self, embedding: Tensor, at: Tensor, kinds: Tensor) -> Tensor:
        batch, width = embedding.shape[0], embedding.shape[1]
        pooled = self.pool(embedding).flatten(2).transpose(1, 2) + self.places(self.middles)
        asked = self.places(at) * (kinds != NOTHING)[..., None] + self.kinds[kinds]
        tokens = torch.cat([self.mask.expand(batch, -1, -1), asked, pooled], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        told = tokens[:, 3:].transpose(1, 2).reshape(batch, width, self.grid, self.grid)
        fine = embedding + F.pixel_shuffle(self.back(told), 4)
        fine = torch.relu(self.mix(torch.cat([fine, self.drawn(at, kinds)], dim=1)))
        fine = torch.relu(F.pixel_shuffle(self.expand(fine), 2))
        mask = self.weigh(tokens[:, :1]) @ fine.flatten(2) * width**-0.5
        return mask.reshape(batch, 1, fine.shape[2], fine.shape[3])


def point(mask: np.ndarray, rng: np.random.Generator | None = None) -> tuple[np.ndarray, list[int]]:
    """A point of a boolean mask [S, S]: its centre, or with `rng` any; places [2, 2] and kinds."""
    inside = np.argwhere(mask)
    centre = np.round(inside.mean(axis=0)).astype(int)
    if rng is not None:
        centre = inside[rng.integers(len(inside))]
    elif not mask[tuple(centre)]:
        centre = inside[len(inside) // 2]
    at = (centre + 0.5) / mask.shape[0]
    return np.stack([at, np.zeros(2)]), [INSIDE, NOTHING]


def box(mask: np.ndarray, jitter: float, rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    """The box around a boolean mask, every side moved by up to `jitter` pixels."""
    inside = np.argwhere(mask)
    corners = np.stack([inside.min(axis=0), inside.max(axis=0) + 1]).astype(float)
    corners += rng.uniform(-jitter, jitter, corners.shape)
    corners = np.clip(np.sort(corners, axis=0), 0, mask.shape[0])
    return corners / mask.shape[0], [FIRST_CORNER, SECOND_CORNER]


def structures(label: np.ndarray) -> list[np.ndarray]:
    """What may be asked for in a slice: the liver with what is in it, and each lesion."""
    known = label != IGNORED
    liver = (label != BACKGROUND) & known
    lesions, count = ndimage.label(label == TUMOUR)
    every = [lesions == index for index in range(1, count + 1)]
    return [one for one in (liver, *every) if one.sum() >= SMALLEST_LESION]


def loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Cross entropy plus Dice; logits [B, 1, h, w], boolean target and known [B, S, S]."""
    stride = target.shape[-1] // logits.shape[-1]
    target, known = (part[:, ::stride, ::stride].float() for part in (target, known))
    entropy = F.binary_cross_entropy_with_logits(logits[:, 0], target, known)
    chance = torch.sigmoid(logits[:, 0]) * known
    overlap = 2 * (chance * target).sum() + 50
    return entropy + 1 - overlap / (chance.sum() + (target * known).sum() + 50)


def known_for(target: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Where a target is certain: a lesion's is not where natural dark regions may be tumour too."""
    is_lesion = not (target & (label != TUMOUR)).any()
    return (label != IGNORED) & ~(is_lesion & (label == LIVER_OR_TUMOUR))
