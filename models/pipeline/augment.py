"""Random changes that a real patient, scanner or reconstruction could have made."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import binary_dilation, gaussian_filter

from .data import BACKGROUND, HU_TOP, IGNORED


def warp(
    rng: np.random.Generator, hu: np.ndarray, label: np.ndarray, strength: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Affine and elastic change of the field of view; what enters from outside is air.

    Never a flip: a mirrored abdomen is a different, rare anatomy (situs inversus), not a variant.
    """
    size = hu.shape[0]
    angle = strength * rng.normal(0, 0.12)
    scale = np.exp(strength * rng.uniform(-0.25, 0.25))
    stretch = np.exp(strength * rng.normal(0, 0.06))
    shear = strength * rng.normal(0, 0.06)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[scale * stretch, shear], [0.0, scale / stretch]])
    shift = strength * rng.normal(0, 0.08, 2)
    theta = torch.from_numpy(np.concatenate([matrix, shift[:, None]], axis=1)[None]).float()
    grid = F.affine_grid(theta, [1, 1, size, size], align_corners=False)
    if rng.random() < 0.6 * strength:
        cells = int(rng.integers(4, 9))
        amplitude = rng.uniform(0.01, 0.045) * 6 / cells
        bend = torch.from_numpy(rng.normal(0, amplitude, (1, 2, cells, cells))).float()
        bend = F.interpolate(bend, size=(size, size), mode="bicubic", align_corners=False)
        grid = grid + bend.permute(0, 2, 3, 1)
    moved = F.grid_sample(torch.from_numpy(hu)[None, None], grid, "bilinear", "zeros", align_corners=False)
    labels = torch.from_numpy(label)[None, None].float()
    marked = F.grid_sample(labels, grid, "nearest", "zeros", align_corners=False)
    return moved[0, 0].numpy(), marked[0, 0].numpy().astype(np.uint8)


def intensities(rng: np.random.Generator, hu: np.ndarray) -> np.ndarray:
    """Tube voltage, contrast timing, kernel, dose: gain, offset, gamma, blur, noise, limited field."""
    if rng.random() < 0.7:
        # The offset fades in from 0 HU, where the stored slices keep compression blocks.
        hu = hu * np.exp(rng.normal(0, 0.12)) + rng.normal(0, 10) * np.clip(hu / 30, 0, 1)
    if rng.random() < 0.25:
        hu = HU_TOP * np.clip(hu / HU_TOP, 0, 1) ** np.exp(rng.normal(0, 0.12))
    if rng.random() < 0.5:
        hu = gaussian_filter(hu, rng.uniform(0.3, 1.2))
    elif rng.random() < 0.2:
        hu = hu + rng.uniform(0.3, 1.0) * (hu - gaussian_filter(hu, 1.0))
    if rng.random() < 0.4:
        noise = rng.standard_normal(hu.shape, dtype=np.float32)
        if rng.random() < 0.5:
            noise = gaussian_filter(noise, 0.7) * 2.4
        hu = hu + rng.uniform(2, 16) * noise
    if rng.random() < 0.08:
        hu = hu * circle(hu.shape[0], rng.uniform(0.38, 0.5))
    return np.clip(hu, 0, HU_TOP).astype(np.float32)


def circle(size: int, radius: float) -> np.ndarray:
    """A scanner's reconstruction circle: 1 inside `radius` times the side, 0 outside."""
    axis = (np.arange(size) + 0.5) / size - 0.5
    return (np.hypot(axis[:, None], axis[None, :]) < radius).astype(np.float32)


def shift_liver(rng: np.random.Generator, hu: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Another liver in the same patient: fatty, bright or late in contrast, with a soft edge."""
    cover = gaussian_filter(inside.astype(np.float32), 0.8)
    return np.clip(hu + rng.uniform(-50, 65) * cover, 0, HU_TOP).astype(np.float32)


def without_liver(
    rng: np.random.Generator, hu: np.ndarray, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same slice with lung, fat or bowel where the liver was: HU and an all-background label.

    Every annotated slice contains liver, so without these the network learns that there always is
    some. A dome turned into lung is a chest; a tip turned into fat is a lower abdomen.
    """
    cover = gaussian_filter(binary_dilation(inside, iterations=2).astype(np.float32), 0.8)
    fill = np.zeros_like(hu)
    if rng.random() < 0.5:
        blobs = gaussian_filter(rng.standard_normal(hu.shape), rng.uniform(3, 9))
        lumen = blobs > np.quantile(blobs, rng.uniform(0.5, 0.85))
        fill = gaussian_filter(lumen * rng.uniform(25, 90), 0.8) + rng.normal(0, 8, hu.shape) * lumen
    filled = np.clip(hu * (1 - cover) + fill * cover, 0, HU_TOP).astype(np.float32)
    return filled, np.full(hu.shape, BACKGROUND, dtype=np.uint8)


def hide_patches(rng: np.random.Generator, hu: np.ndarray, label: np.ndarray) -> None:
    """Blanks one or two rectangles, in place, and asks nothing there: context must do the work."""
    size = hu.shape[0]
    for _ in range(int(rng.integers(1, 3))):
        height, width = rng.integers(size // 12, size // 5, 2)
        top, left = rng.integers(0, size - height), rng.integers(0, size - width)
        hu[top : top + height, left : left + width] = rng.uniform(0, 160)
        label[top : top + height, left : left + width] = IGNORED
