"""Overlap scores of label maps. The appliance's own `hepar evaluate` computes the published ones."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from .data import BACKGROUND, Slice


def dice(prediction: np.ndarray, truth: np.ndarray) -> float:
    """2|A∩B| / (|A|+|B|) of two boolean masks; 1 when both are empty."""
    total = int(prediction.sum()) + int(truth.sum())
    return 2 * int((prediction & truth).sum()) / total if total else 1.0


def score_slices(predictions: list[np.ndarray], slices: list[Slice]) -> dict[str, float]:
    """Liver-with-tumour Dice: pooled over all pixels, mean per slice, mean and worst per patient."""
    pooled = np.zeros(2)
    patients: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))
    per_slice = []
    for prediction, one in zip(predictions, slices, strict=True):
        mine, truth = prediction != BACKGROUND, one.label != BACKGROUND
        counts = np.array([2 * (mine & truth).sum(), mine.sum() + truth.sum()], dtype=float)
        pooled += counts
        patients[one.patient] += counts
        per_slice.append(dice(mine, truth))
    by_patient = [overlap / max(total, 1.0) for overlap, total in patients.values()]
    return {
        "liver_pooled": round(float(pooled[0] / max(pooled[1], 1.0)), 4),
        "liver_slice_mean": round(float(np.mean(per_slice)), 4),
        "liver_patient_mean": round(float(np.mean(by_patient)), 4),
        "liver_patient_worst": round(float(np.min(by_patient)), 4),
        "patients": len(by_patient),
        "slices": len(per_slice),
    }
