"""One temperature for the logits, so that a probability of 0.8 is right four times in five, and the
limits of the gates that ask how sure the network is."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from .data import BACKGROUND, LIVER_OR_TUMOUR, Slice, windows
from .evaluate import SEED
from .runner import Runner
from .sources import MM_PER_PIXEL
from .tumours import natural_labels, paint

GUESSING = 1.5
"""So many times the doubt that 19 in 20 patients stay below is no liver but a guess."""
SHIFT = (6, 10)
"""Down and to the patient's left, in pixels of the image; the appliance moves slices by as much."""
REFUSE_AGREEMENT = 0.75
"""Less than this found again is no organ but chance: livers reach 0.96, what is found in limbs and pelves
of phantoms 0.01 to 0.62."""
FEWEST = 5
"""So many patients it takes to say what 19 in 20 stay below."""
OF_THE_HEAD = ("organ-entropy", "organ-entropy-refuse", "organ-agreement")
"""Gates whose limits are another head's once the head is another."""


def temperature(runner: Runner, slices: list[Slice]) -> tuple[float, dict[str, float]]:
    """The divisor of all logits that minimises the log loss on slices with liver and tumours.

    A single divisor changes no label; only how sure the network says it is. Also returns the
    expected calibration error with and without it.
    """
    logits, labels = [], []
    for index, one in enumerate(slices):
        hu, label = _with_tumours(one, index)
        full = runner.full_logits(np.clip(hu, 0, 255))
        # Far from any boundary everything is certain; calibration is about the rest.
        near = F.max_pool2d(torch.from_numpy((label > 0).astype(np.float32))[None], 21, 1, 10)[0] > 0
        known = near & torch.from_numpy(label != LIVER_OR_TUMOUR)
        logits.append(full[:, known].T)
        labels.append(torch.from_numpy(label)[known].long())
    every, truth = torch.cat(logits), torch.cat(labels)
    candidates = np.round(np.exp(np.linspace(np.log(0.5), np.log(3.0), 37)), 3)
    losses = [F.cross_entropy(every / float(t), truth).item() for t in candidates]
    best = float(candidates[int(np.argmin(losses))])
    return best, {
        "calibration_error_before": round(_error(every, truth), 4),
        "calibration_error": round(_error(every / best, truth), 4),
    }


def _with_tumours(one: Slice, index: int) -> tuple[np.ndarray, np.ndarray]:
    """HU and label with the tumours that were annotated; where none could be, painted ones in every second slice."""
    if not (one.label == LIVER_OR_TUMOUR).any():
        return one.hu, one.label
    hu, label = one.hu.copy(), natural_labels(one.hu, one.label != BACKGROUND)
    if index % 2:
        paint(np.random.default_rng(SEED + 40_000 + index), hu, label, MM_PER_PIXEL, 2)
    return hu, label


def gates(runner: Runner, slices: list[Slice], divisor: float) -> dict[str, float | dict[str, float]]:
    """The manifest's limits OF_THE_HEAD. What cannot be measured is left to the appliance's own limits."""
    nats = doubt(runner, slices, divisor)
    certainty = {} if nats is None else {
        "organ-entropy": round(nats, 3), "organ-entropy-refuse": round(GUESSING * nats, 3),
    }
    return certainty | {"organ-agreement": agreement(runner, slices, divisor)}


def doubt(runner: Runner, slices: list[Slice], divisor: float) -> float | None:
    """The mean entropy over the liver, nats, that 19 in 20 patients stay below; None from fewer than FEWEST.

    Measured as the appliance measures it: on the network's grid, where background is not likelier
    than all else, with calibrated probabilities.
    """
    by_patient: dict[str, list[torch.Tensor]] = {}
    for one in slices:
        logits = torch.from_numpy(runner.logits(windows(one.hu)[None])[0]) / divisor
        log_p = F.log_softmax(logits, dim=0)
        entropy = -(log_p.exp() * log_p).sum(0)
        by_patient.setdefault(one.patient, []).append(entropy[log_p[0].exp() < 0.5])
    found = (torch.cat(parts) for parts in by_patient.values())
    means = [entropy.mean().item() for entropy in found if len(entropy)]
    return float(np.quantile(means, 0.95)) if len(means) >= FEWEST else None


def agreement(runner: Runner, slices: list[Slice], divisor: float) -> dict[str, float]:
    """Limits on how much of the liver is found again when slices are moved, as Dice per patient.

    It warns below what 19 in 20 patients reach, and refuses below REFUSE_AGREEMENT. From fewer than
    FEWEST patients only the second is known, and it warns of nothing else.
    """
    by_patient: dict[str, np.ndarray] = {}
    stride = runner.stride()
    down, right = (pixels // stride for pixels in SHIFT)
    for one in slices:
        image = windows(one.hu)[None]
        first = _organ(runner.logits(image), divisor)
        moved = np.zeros_like(image)
        moved[..., stride * down:, stride * right:] = image[..., : -stride * down, : -stride * right]
        again = _organ(runner.logits(moved), divisor)[down:, right:]
        first = first[:-down, :-right]
        counts = np.array([2 * (first & again).sum(), first.sum() + again.sum()], dtype=float)
        by_patient[one.patient] = by_patient.get(one.patient, np.zeros(2)) + counts
    found = [overlap / total for overlap, total in by_patient.values() if total]
    warn = float(np.quantile(found, 0.05)) if len(found) >= FEWEST else REFUSE_AGREEMENT
    # The manifest's reader takes no limit that nothing but perfection could reach.
    warn = min(warn, 0.999)
    return {"warn": round(warn, 3), "refuse": round(min(REFUSE_AGREEMENT, warn), 3)}


def _organ(logits: np.ndarray, divisor: float) -> np.ndarray:
    """Logits [1, 3, h, w] -> where background is not likelier than all else [h, w]."""
    return torch.softmax(torch.from_numpy(logits[0]) / divisor, dim=0)[0].numpy() < 0.5


def _error(logits: torch.Tensor, truth: torch.Tensor, bins: int = 15) -> float:
    """Expected calibration error: mean gap of confidence and accuracy over bins of confidence."""
    confidence, answer = torch.softmax(logits, dim=1).max(dim=1)
    right = (answer == truth).float()
    which = (confidence * bins).long().clamp(max=bins - 1)
    gap = 0.0
    for index in range(bins):
        mine = which == index
        if mine.any():
            gap += mine.float().mean().item() * abs(confidence[mine].mean() - right[mine].mean()).item()
    return gap
