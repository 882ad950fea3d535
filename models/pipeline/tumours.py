"""Painted liver tumours, and which natural regions must not be taken for healthy liver.

The annotation has no tumours of its own, so the network learns them from painted ones. Dark natural
regions inside a liver may be real tumours: they are labelled LIVER_OR_TUMOUR, so that the network
is neither taught that they are healthy nor that they are not.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from .data import BACKGROUND, LIVER, LIVER_OR_TUMOUR, TUMOUR

RADII_MM = {"tiny": (2.0, 4.0), "small": (4.0, 8.0), "medium": (8.0, 16.0), "large": (16.0, 45.0)}
SIZE_ODDS = {"tiny": 0.1, "small": 0.35, "medium": 0.4, "large": 0.15}
KIND_ODDS = {"dark": 0.46, "bright": 0.2, "rim": 0.2, "necrotic": 0.1, "faint": 0.04}

DARKEST_TUMOUR_HU = 22.0
"""Below this a lesion reads as fluid. Simple cysts are painted there, and are labelled liver."""

LARGEST_SHARE = 0.6
"""Of the liver in a slice. Beyond it there is no healthy liver left to be different from."""

VISIBLE = 0.7
"""Least contrast of a tumour, in standard deviations of the slice's noise."""


def natural_labels(hu: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Splits an annotated liver into LIVER and LIVER_OR_TUMOUR, uint8 [S, S].

    Ambiguous is what stays clearly darker than the liver's own median after the noise is smoothed
    away; the median, because even a large tumour rarely fills half of the liver.
    """
    label = np.where(inside, LIVER, BACKGROUND).astype(np.uint8)
    if not inside.any():
        return label
    weight = gaussian_filter(inside.astype(np.float32), 1.5)
    smooth = gaussian_filter(np.where(inside, hu, 0.0), 1.5) / np.maximum(weight, 1e-3)
    median = np.median(smooth[inside])
    spread = np.median(np.abs(smooth[inside] - median))
    label[inside & (smooth < median - max(10.0, 2.5 * spread))] = LIVER_OR_TUMOUR
    return label


def paint(
    rng: np.random.Generator,
    hu: np.ndarray,
    label: np.ndarray,
    mm_per_pixel: float,
    count: int,
    floor_hu: float = 0.0,
) -> None:
    """Paints up to `count` tumours, and sometimes a cyst, into the liver of a slice, in place."""
    liver = (label == LIVER) | (label == LIVER_OR_TUMOUR)
    places = np.argwhere(label == LIVER)
    if len(places) < 40:
        return
    base = float(np.median(hu[label == LIVER]))
    noise = hu - gaussian_filter(hu, 1.0)
    for _ in range(count):
        size = rng.choice(list(SIZE_ODDS), p=list(SIZE_ODDS.values()))
        radius = rng.uniform(*RADII_MM[size]) / mm_per_pixel
        box, cover = _lesion(rng, hu.shape, places[rng.integers(len(places))], radius)
        bulges = rng.random() < 0.12
        if not bulges:
            cover = cover * liver[box]
        inside = cover > 0.5
        if not 4 <= inside.sum() <= LARGEST_SHARE * liver.sum():
            continue
        if (label[box][inside] == TUMOUR).mean() > 0.5:
            continue
        target = _appearance(rng, cover, base, noise[box], radius)
        hu[box] += cover * (target - hu[box])
        label[box][inside] = TUMOUR
    if rng.random() < 0.2:
        centre = places[rng.integers(len(places))]
        box, cover = _lesion(rng, hu.shape, centre, rng.uniform(3, 20) / mm_per_pixel, edge=0.5)
        cover = cover * liver[box]
        hu[box] += cover * (rng.uniform(0, 12) + 0.8 * noise[box] - hu[box])
        label[box][cover > 0.5] = LIVER
    np.maximum(hu, floor_hu, out=hu)


def _appearance(
    rng: np.random.Generator, cover: np.ndarray, base: float, noise: np.ndarray, radius: float
) -> np.ndarray:
    """HU [S, S] of a tumour of one kind that keeps the slice's own noise."""
    kind = rng.choice(list(KIND_ODDS), p=list(KIND_ODDS.values()))
    delta = -rng.uniform(15, 85)
    if kind == "bright":
        delta = rng.uniform(20, 70)
    elif kind == "faint":
        delta = rng.choice([-1, 1]) * rng.uniform(9, 15)
    if base < 45 and kind != "faint":
        delta = abs(delta)  # in a fatty liver tumours are the brighter tissue
    grain = 1.48 * float(np.median(np.abs(noise[cover > 0.5])))  # the median ignores vessels and edges
    delta = np.sign(delta) * max(abs(delta), VISIBLE * grain)
    core = np.full(cover.shape, max(base + delta, DARKEST_TUMOUR_HU), dtype=np.float32)
    depth = gaussian_filter(cover, max(1.0, 0.25 * radius))
    if kind == "rim":
        core += rng.uniform(25, 70) * np.exp(-(((depth - 0.55) / 0.2) ** 2))
    elif kind == "necrotic":
        core -= rng.uniform(15, 45) * np.clip((depth - 0.7) / 0.25, 0, 1)
    texture = gaussian_filter(rng.standard_normal(cover.shape).astype(np.float32), rng.uniform(1.0, 3.0))
    texture *= rng.uniform(0, 10) / max(float(texture.std()), 1e-6)
    return core + texture + noise


def _lesion(
    rng: np.random.Generator, shape: tuple[int, int], centre: np.ndarray, radius: float, edge: float = 0.0
) -> tuple[tuple[slice, slice], np.ndarray]:
    """A box of the slice and the soft cover 0..1 of a lobulated ellipse in it; lengths in pixels."""
    reach = int(2.2 * radius + 5)
    low = np.maximum(centre - reach, 0)
    high = np.minimum(centre + reach + 1, shape)
    box = (slice(low[0], high[0]), slice(low[1], high[1]))
    rows = np.arange(low[0], high[0], dtype=np.float32)[:, None] - centre[0]
    columns = np.arange(low[1], high[1], dtype=np.float32)[None, :] - centre[1]
    turn = rng.uniform(0, np.pi)
    u = (rows * np.cos(turn) + columns * np.sin(turn)) / (radius * rng.uniform(0.75, 1.25))
    v = (columns * np.cos(turn) - rows * np.sin(turn)) / (radius * rng.uniform(0.75, 1.25))
    angle = np.arctan2(v, u)
    outline = np.ones_like(angle)
    for k in range(2, 6):
        outline += rng.normal(0, 0.12 / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    softness = edge or rng.uniform(0.5, 1.6)
    distance = (np.hypot(u, v) - outline) * radius / softness
    return box, (1 / (1 + np.exp(np.clip(2 * distance, -30, 30)))).astype(np.float32)
