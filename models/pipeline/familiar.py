"""How far a slice lies from those of training, as one number that the encoder gives beside its embedding.

The tokens of the encoder, averaged over a slice, are what it knows about the slice as a whole. Over the slices of training that show liver they fill a flat cloud: its axes and widths are
taken by principal components, and the distance of a slice is its root mean square deviation along
them, so 1 is usual whatever the network (Woodland et al., MELBA 2024:020, do the same with the
Mahalanobis distance). The layer is part of the graph, so what the appliance measures is what was
measured here.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from . import phantom
from .data import Slice, windows
from .network import Encoder
from .runner import Runner

COMPONENTS = 32
"""Axes of the cloud that are looked along; those beyond hold a percent of its spread and much noise."""
FOREIGN = 2.0
"""So many times the distance that 19 in 20 held-out slices stay below is no such slice."""
PHANTOM_SEED = 80_000
"""Of phantoms that show what the annotated slices do not: other phases, other bodies."""


class Familiarity(nn.Module):
    """Average tokens [B, C] -> distance [B, 1]: root mean square deviation along the cloud's axes."""

    def __init__(self, tokens: np.ndarray, components: int = COMPONENTS):
        super().__init__()
        centre = tokens.mean(axis=0)
        _, spread, axes = np.linalg.svd(tokens - centre, full_matrices=False)
        count = min(components, len(spread))
        widths = spread[:count] / np.sqrt(len(tokens) - 1)
        rows = axes[:count] / np.maximum(widths, 1e-6)[:, None]
        self.axes = nn.Linear(rows.shape[1], count)
        with torch.no_grad():
            self.axes.weight.copy_(torch.from_numpy(rows))
            self.axes.bias.copy_(torch.from_numpy(-rows @ centre))

    def forward(self, tokens: Tensor) -> Tensor:
        deviations = self.axes(tokens)
        return (deviations * deviations).mean(dim=1, keepdim=True).sqrt()


class Measuring(nn.Module):
    """The encoder as it is shipped: image -> embedding, skip, gate logits and distance."""

    def __init__(self, encoder: Encoder, familiarity: Familiarity):
        super().__init__()
        self.encoder, self.familiarity = encoder, familiarity

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        embedding, skip, gate, coarse = self.encoder.with_coarse(image)
        return embedding, skip, gate, self.familiarity(coarse.mean(dim=(2, 3)))


@torch.no_grad()
def familiarity(encoder: Encoder, train: list[Slice], phantoms: int) -> Familiarity:
    """The cloud of the training slices and of `phantoms` abdomens."""
    encoder.eval()
    images = (windows(hu)[None] for hu in (*(one.hu for one in train), *_abdomens(PHANTOM_SEED, phantoms)))
    tokens = [encoder.context(torch.from_numpy(image))[2].mean(dim=1)[0].numpy() for image in images]
    return Familiarity(np.stack(tokens))


def distance_limits(runner: Runner, held_out: list[Slice]) -> dict[str, float]:
    """Limits on the distance of a series' middle slice, from single slices of held-out patients."""
    warn = float(np.quantile([runner.distance(one.hu) for one in held_out], 0.95))
    return {"warn": round(warn, 3), "refuse": round(FOREIGN * warn, 3)}


def _abdomens(seed: int, count: int) -> Iterable[np.ndarray]:
    return (np.clip(phantom.abdomen(np.random.default_rng(seed + i)).hu, 0, 255) for i in range(count))
