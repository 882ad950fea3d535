"""What a bundle can do, measured on its own graphs: real livers, painted tumours, phantoms, no liver.

Everything here is per slice and without post-processing; volumes are judged by the appliance's own
`hepar evaluate`. A lesion's size is its in-plane equivalent diameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from . import augment, negatives, phantom, tumours
from .canvas import Drawn
from .data import BACKGROUND, LIVER_OR_TUMOUR, REGIONS, TUMOUR, Slice, windows
from .runner import Runner
from .scores import dice, score_slices
from .sources import MM_PER_PIXEL

SIZES_MM = {"below 10 mm": (0, 10), "10 to 20 mm": (10, 20), "above 20 mm": (20, 1e9)}
FOUND_IOU = 0.1
SEED = 990_000
"""Far from every training seed."""
Labeller = Callable[[np.ndarray], np.ndarray]
"""HU [S, S] in 0..255 -> labels [S, S] uint8."""


@dataclass
class LesionTally:
    """Lesions found, by size, and tumour overlap pooled over all slices."""

    found: dict[str, list[bool]] = field(default_factory=lambda: {size: [] for size in SIZES_MM})
    overlap: dict[str, np.ndarray] = field(default_factory=lambda: {size: np.zeros(2) for size in SIZES_MM})
    false_lesions: int = 0
    slices: int = 0

    def add(self, prediction: np.ndarray, truth: np.ndarray, undecided: np.ndarray, mm: float) -> None:
        """Counts one slice; predicted tumour in undecided pixels is neither right nor wrong."""
        self.slices += 1
        mine, count = ndimage.label(prediction & ~undecided)
        lesions, lesion_count = ndimage.label(truth)
        touched: set[int] = set()
        for index in range(1, lesion_count + 1):
            lesion = lesions == index
            diameter = 2 * np.sqrt(lesion.sum() / np.pi) * mm
            size = next(name for name, (low, high) in SIZES_MM.items() if low <= diameter < high)
            hits = set(np.unique(mine[lesion])) - {0}
            touched |= hits
            answer = np.isin(mine, list(hits)) if hits else np.zeros_like(lesion)
            # One answer may cover several painted lesions: only the part nearest this one counts.
            answer &= ~(truth & ~lesion)
            union = (answer | lesion).sum()
            self.found[size].append(bool((answer & lesion).sum() > FOUND_IOU * union))
            self.overlap[size] += (2 * (answer & lesion).sum(), answer.sum() + lesion.sum())
        # Pixels of a disc 2 mm across: less is a speck, far below what the appliance keeps
        # (POSTPROCESS, minimum-lesion-ml).
        minimum = np.pi / mm**2
        self.false_lesions += sum(
            1 for i in range(1, count + 1) if i not in touched and (mine == i).sum() > minimum
        )

    def summary(self) -> dict[str, dict[str, float]]:
        """Per size: count, recall and Dice of the lesions together; false lesions per slice."""
        rows = {
            size: {
                "lesions": len(found),
                "recall": round(float(np.mean(found)), 3) if found else float("nan"),
                "dice": round(float(self.overlap[size][0] / max(self.overlap[size][1], 1)), 3),
            }
            for size, found in self.found.items()
        }
        rows["all slices"] = {
            "slices": self.slices, "false_per_slice": round(self.false_lesions / max(self.slices, 1), 3)
        }
        return rows


def real_livers(runner: Runner, slices: list[Slice]) -> dict[str, float]:
    """Liver-with-tumour overlap on annotated slices."""
    return score_slices([runner.labels(one.hu) for one in slices], slices)


def painted_tumours(runner: Runner, slices: list[Slice]) -> LesionTally:
    """Tumours painted into real livers that took no part in training."""
    return painted_with(runner.labels, slices)


def painted_with(labels: Labeller, slices: list[Slice]) -> LesionTally:
    """The same for anything that gives a slice labels."""
    tally = LesionTally()
    for index, one in enumerate(slices):
        rng = np.random.default_rng(SEED + index)
        hu, label = one.hu.copy(), tumours.natural_labels(one.hu, one.label != BACKGROUND)
        tumours.paint(rng, hu, label, MM_PER_PIXEL, int(rng.integers(1, 4)))
        hu = np.clip(hu, 0, 255)
        prediction = labels(hu)
        tally.add(prediction == TUMOUR, label == TUMOUR, label == LIVER_OR_TUMOUR, MM_PER_PIXEL)
    return tally


def phantom_slices(count: int) -> Iterator[Drawn]:
    """Slices of the training generator from seeds that training never used."""
    return (phantom.abdomen(np.random.default_rng(SEED + 10_000 + index)) for index in range(count))


def phantoms(runner: Runner, count: int) -> tuple[list[float], LesionTally]:
    """Liver Dice per phantom slice, and tumours, on unseen seeds of the training generator."""
    tally, livers = LesionTally(), []
    for drawn in phantom_slices(count):
        prediction = runner.labels(np.clip(drawn.hu, 0, 255))
        livers.append(dice(prediction != BACKGROUND, drawn.label != BACKGROUND))
        nothing = np.zeros(prediction.shape, dtype=bool)
        tally.add(prediction == TUMOUR, drawn.label == TUMOUR, nothing, drawn.mm)
    return livers, tally


def without_liver(runner: Runner, slices: list[Slice], count: int) -> dict[str, float]:
    """Area called liver or tumour, in cm2, where there is none: erased real livers and negatives."""
    areas: dict[str, list[float]] = {"erased": [], "negative": []}
    for index, one in enumerate(slices):
        rng = np.random.default_rng(SEED + 20_000 + index)
        hu, _ = augment.without_liver(rng, one.hu.copy(), one.label != BACKGROUND)
        called = runner.labels(hu) != BACKGROUND
        areas["erased"].append(float(called.sum()) * (MM_PER_PIXEL / 10) ** 2)
    for index in range(count):
        drawn = negatives.negative(np.random.default_rng(SEED + 30_000 + index))
        called = runner.labels(np.clip(drawn.hu, 0, 255)) != BACKGROUND
        areas["negative"].append(float(called.sum()) * (drawn.mm / 10) ** 2)
    return {
        f"{name}_{what}": round(float(value), 3)
        for name, values in areas.items()
        for what, value in {"mean": np.mean(values), "worst": np.max(values), "slices": len(values)}.items()
    }


def regions(runner: Runner, slices: list[Slice], count: int) -> dict[str, float]:
    """How often the gate calls a slice with liver "liver", and a negative something else."""
    here = [_region(runner, one.hu) == "liver" for one in slices]
    rngs = (np.random.default_rng(SEED + 30_000 + index) for index in range(count))
    none = [_region(runner, np.clip(negatives.negative(rng).hu, 0, 255)) != "liver" for rng in rngs]
    return {"liver_kept": float(np.mean(here)), "negative_caught": float(np.mean(none)), "negatives": count}


def _region(runner: Runner, hu: np.ndarray) -> str:
    return REGIONS[int(runner.encode(windows(hu)[None])["gate"].argmax())]
