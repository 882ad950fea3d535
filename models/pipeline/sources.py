"""The endless stream of training samples: real slices, phantoms and slices without a liver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from . import augment, negatives, phantom, tumours
from .canvas import Drawn
from .data import BACKGROUND, LIVER, REGION_UNKNOWN, REGIONS, TUMOUR, Slice, windows

Maker = Callable[[np.random.Generator], Drawn]

MM_PER_PIXEL = 1.6
"""Typical for a whole-body field at 256 pixels. The annotated slices do not carry their spacing."""

RESERVOIR = 300
"""Phantoms kept per worker. Drawing one costs ten times what augmenting it costs."""

FRESH = 0.25
"""Odds that a phantom is drawn anew instead of taken from the reservoir."""

LIVER_VISIBLE_PIXELS = 60
"""Fewer than this after the field of view moved, and the slice's region is left open."""


@dataclass(frozen=True)
class Mixture:
    """Shares of the stream, and the odds of what is done to a real slice."""

    real: float = 0.56
    without_liver: float = 0.07
    phantom: float = 0.20
    negative: float = 0.17
    painted: float = 0.75
    shifted: float = 0.3
    hidden: float = 0.15
    strength: float = 1.0
    """Of the augmentation. Halved while the rate decays, the run ends nearer to unchanged slices."""


@dataclass(frozen=True)
class Sample:
    """HU [S, S] float32, label [S, S] uint8, index into REGIONS or REGION_UNKNOWN."""

    hu: np.ndarray
    label: np.ndarray
    region: int


class Stream(IterableDataset):
    """Samples without end, from the training slices; every worker draws its own sequence."""

    def __init__(self, slices: list[Slice], mixture: Mixture, seed: int):
        self.slices = [
            (one.hu, tumours.natural_labels(one.hu, one.label != BACKGROUND)) for one in slices
        ]
        self.mixture, self.seed = mixture, seed
        self.reservoirs: dict[Maker, list[Drawn]] = {}

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, int]]:
        torch.set_num_threads(1)
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            sample = self.draw(rng)
            yield torch.from_numpy(windows(sample.hu)), torch.from_numpy(sample.label), sample.region

    def draw(self, rng: np.random.Generator) -> Sample:
        """One sample of a randomly chosen source, augmented."""
        mixture = self.mixture
        shares = np.array([mixture.real, mixture.without_liver, mixture.phantom, mixture.negative])
        source = rng.choice(4, p=shares / shares.sum())
        if source == 0:
            hu, label, region = self._real(rng)
        elif source == 1:
            hu, label, region = self._without_liver(rng)
        elif source == 2:
            hu, label, region = self._kept(rng, phantom.abdomen)
        else:
            hu, label, region = self._kept(rng, negatives.negative)
        strength = mixture.strength * (1.0 if source < 2 else 0.6)
        hu, label = augment.warp(rng, np.clip(hu, 0, 255), label, strength)
        if rng.random() < mixture.strength:
            hu = augment.intensities(rng, hu)
        if rng.random() < mixture.hidden:
            augment.hide_patches(rng, hu, label)
        if region == "liver" and np.isin(label, (LIVER, TUMOUR)).sum() < LIVER_VISIBLE_PIXELS:
            return Sample(hu, label, REGION_UNKNOWN)
        return Sample(hu, label, REGIONS.index(region))

    def _real(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, str]:
        hu, label = self._any(rng)
        if rng.random() < self.mixture.shifted:
            hu = augment.shift_liver(rng, hu, label != BACKGROUND)
        if rng.random() < self.mixture.painted:
            tumours.paint(rng, hu, label, MM_PER_PIXEL, int(rng.integers(1, 6)))
        return hu, label, "liver"

    def _without_liver(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, str]:
        hu, label = self._any(rng)
        hu, label = augment.without_liver(rng, hu, label != BACKGROUND)
        return hu, label, "trunk"

    def _kept(self, rng: np.random.Generator, make: Maker) -> tuple[np.ndarray, np.ndarray, str]:
        kept = self.reservoirs.setdefault(make, [])
        if len(kept) < 20 or rng.random() < FRESH:
            kept.append(make(rng))
            if len(kept) > RESERVOIR:
                kept.pop(int(rng.integers(RESERVOIR)))
            one = kept[-1]
        else:
            one = kept[rng.integers(len(kept))]
        return one.hu.copy(), one.label.copy(), one.region

    def _any(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        hu, label = self.slices[rng.integers(len(self.slices))]
        return hu.copy(), label.copy()
