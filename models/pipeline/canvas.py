"""Drawing soft-edged anatomy in millimetres.

Coordinates: x to the patient's left, y to the patient's posterior, the origin in the middle of the
field. All shapes of one slice share one bending of space, so that organs that touch stay touching.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from .data import BACKGROUND, SIZE

AIR_HU = -1000.0


class Drawn(NamedTuple):
    """A finished slice: HU [S, S] float32, label [S, S] uint8, its region, its pixel spacing."""

    hu: np.ndarray
    label: np.ndarray
    region: str
    mm: float


class Canvas:
    """One slice being drawn: HU and labels [S, S]; later shapes cover earlier ones."""

    def __init__(self, rng: np.random.Generator, mm_per_pixel: float, bend_mm: float):
        self.rng, self.mm = rng, mm_per_pixel
        self.hu = np.full((SIZE, SIZE), AIR_HU, dtype=np.float32)
        self.label = np.full((SIZE, SIZE), BACKGROUND, dtype=np.uint8)
        axis = ((np.arange(SIZE) + 0.5) - SIZE / 2) * mm_per_pixel
        waves = rng.normal(0, bend_mm, (2, 6, 6))
        bend = [zoom(wave, SIZE / 6, order=3, grid_mode=True, mode="nearest") for wave in waves]
        self.x = (axis[None, :] + bend[0]).astype(np.float32)
        self.y = (axis[:, None] + bend[1]).astype(np.float32)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, turn: float = 0.0, power: float = 2.0
    ) -> np.ndarray:
        """Signed distance in mm, roughly, to a super-ellipse; negative inside."""
        dx, dy = self.x - x, self.y - y
        if turn:
            cos, sin = np.cos(turn), np.sin(turn)
            dx, dy = dx * cos + dy * sin, dy * cos - dx * sin
        if power == 2.0:
            reach = np.sqrt((dx / rx) ** 2 + (dy / ry) ** 2)
        else:
            reach = (np.abs(dx / rx) ** power + np.abs(dy / ry) ** power) ** (1 / power)
        return (reach - 1.0) * min(rx, ry)

    def fill(
        self, distance: np.ndarray, value: float, texture: float = 0.0, soft_mm: float = 0.8,
        within: np.ndarray | None = None, label: int | None = None,
    ) -> np.ndarray:
        """Covers the inside of `distance` with `value` HU; returns which pixels are now its own."""
        if within is not None:
            distance = np.maximum(distance, within)
        rows = np.flatnonzero((distance < 4).any(axis=1))
        columns = np.flatnonzero((distance < 4).any(axis=0))
        mine = np.zeros(distance.shape, dtype=bool)
        if not len(rows) or not len(columns):
            return mine
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        local = distance[box]
        cover = 1 / (1 + np.exp(np.clip(2 * local / soft_mm, -30, 30)))
        paint = np.full(local.shape, value, dtype=np.float32)
        if texture:
            rough = gaussian_filter(self.rng.standard_normal(local.shape), self.rng.uniform(1, 4))
            paint = paint + texture * rough / max(float(rough.std()), 1e-6)
        self.hu[box] += cover * (paint - self.hu[box])
        mine[box] = local < 0
        self.label[mine] = BACKGROUND if label is None else label
        return mine

    def tube(self, start: tuple[float, float], turn: float, length: float, radius: float) -> np.ndarray:
        """Signed distance in mm to a tapering segment, as a vessel lying in the slice is seen."""
        dx, dy = self.x - start[0], self.y - start[1]
        along = np.clip(dx * np.cos(turn) + dy * np.sin(turn), 0, length)
        away = np.hypot(dx - along * np.cos(turn), dy - along * np.sin(turn))
        return away - radius * (1 - 0.5 * along / length)


def union(parts: list[np.ndarray], blend_mm: float) -> np.ndarray:
    """Smooth union of signed distances: organs are bulges grown together, not stacked ellipses."""
    stacked = np.stack(parts)
    lowest = stacked.min(axis=0)
    return lowest - blend_mm * np.log(np.exp((lowest - stacked) / blend_mm).sum(axis=0))


def scan(canvas: Canvas, region: str) -> Drawn:
    """The slice as a scanner would store it: in-plane blur, noise of some kernel, at times streaks."""
    rng = canvas.rng
    hu = gaussian_filter(canvas.hu, rng.uniform(0.2, 0.9) / canvas.mm)
    noise = rng.standard_normal(hu.shape, dtype=np.float32)
    if rng.random() < 0.6:
        noise = gaussian_filter(noise, rng.uniform(0.4, 0.9))
        noise /= noise.std()
    hu = hu + rng.uniform(3, 22) * noise
    if rng.random() < 0.05:
        angle = np.arctan2(canvas.y - rng.normal(0, 60), canvas.x - rng.normal(0, 60))
        hu = hu + rng.uniform(10, 40) * np.sin(angle * rng.integers(8, 30))
    return Drawn(hu.astype(np.float32), canvas.label, region, canvas.mm)
