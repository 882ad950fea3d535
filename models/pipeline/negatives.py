"""Slices that are no trunk at all: what a misrouted or broken series brings."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from . import phantom
from .canvas import Canvas, Drawn, scan
from .data import BACKGROUND, SIZE


def negative(rng: np.random.Generator) -> Drawn:
    """A slice in which everything is background, whatever it shows."""
    maker = rng.choice(
        [phantom.trunk_without_liver, head, limb, cylinder, other_numbers], p=[0.40, 0.14, 0.28, 0.08, 0.1]
    )
    drawn = maker(rng)
    return drawn._replace(label=np.full_like(drawn.label, BACKGROUND))


def head(rng: np.random.Generator) -> Drawn:
    """Skull, brain with ventricles, or the level of the face."""
    canvas = Canvas(rng, rng.uniform(230, 480) / SIZE, rng.uniform(1, 4))
    x, y, rx, ry = rng.normal(0, 10), rng.normal(0, 10), rng.uniform(65, 82), rng.uniform(80, 100)
    skin = canvas.ellipse(x, y, rx, ry)
    canvas.fill(skin, rng.uniform(20, 60), 10)
    canvas.fill(skin + 5, rng.uniform(600, 1400), 60)
    canvas.fill(skin + rng.uniform(8, 14), rng.uniform(22, 60), rng.uniform(0, 8))
    for side in (-1, 1) if rng.random() < 0.6 else ():
        canvas.fill(canvas.ellipse(x + side * 12, y - 8, 7, 24, side * 0.3), rng.uniform(2, 12))
    if rng.random() < 0.4:
        for _ in range(6):
            at = (x + rng.normal(0, 25), y - rng.uniform(20, 70))
            canvas.fill(canvas.ellipse(*at, rng.uniform(6, 16), rng.uniform(6, 16)), rng.choice([-950.0, 500.0, 60.0]), within=skin)
    return scan(canvas, "head")


def limb(rng: np.random.Generator) -> Drawn:
    """One or two legs or arms: muscle groups around a bone."""
    canvas = Canvas(rng, rng.uniform(250, 450) / SIZE, rng.uniform(2, 6))
    muscle, radius, apart = rng.uniform(40, 115), rng.uniform(35, 115), rng.uniform(1.0, 1.4)
    for x in (-radius * apart, radius * apart) if rng.random() < 0.7 else (rng.normal(0, 40),):
        y = rng.normal(0, 15)
        canvas.fill(canvas.ellipse(x, y, radius, radius * rng.uniform(0.9, 1.2)), -100, 8)
        lean = rng.uniform(0.8, 0.97)
        canvas.fill(canvas.ellipse(x, y, radius * lean, radius * lean), muscle, rng.uniform(0, 14))
        bone = (x + rng.normal(0, 12), y + rng.normal(0, 12))
        canvas.fill(canvas.ellipse(*bone, 14, 14), rng.uniform(600, 1200))
        canvas.fill(canvas.ellipse(*bone, 7, 7), rng.uniform(-60, 60))
        for _ in range(int(rng.integers(0, 7))):
            seam = (x + rng.normal(0, 0.35 * radius), y + rng.normal(0, 0.35 * radius))
            canvas.fill(canvas.ellipse(*seam, 0.4 * radius, rng.uniform(0.5, 3), rng.uniform(0, 3)), rng.uniform(-100, 0))
        for _ in range(int(rng.integers(0, 4))):
            vessel = (x + rng.normal(0, 0.4 * radius), y + rng.normal(0, 0.4 * radius))
            canvas.fill(canvas.ellipse(*vessel, 4, 4), rng.uniform(60, 300))
    return scan(canvas, "limb")


def cylinder(rng: np.random.Generator) -> Drawn:
    """A quality-assurance phantom: uniform, with or without inserts; or an empty field."""
    canvas = Canvas(rng, rng.uniform(250, 500) / SIZE, 0.0)
    if rng.random() < 0.85:
        radius = rng.uniform(60, 170)
        canvas.fill(canvas.ellipse(0, 0, radius, radius), rng.choice([0.0, rng.uniform(20, 130)]))
        for angle in np.arange(0, 6.28, 0.785) if rng.random() < 0.5 else ():
            at = (0.6 * radius * np.cos(angle), 0.6 * radius * np.sin(angle))
            canvas.fill(canvas.ellipse(*at, 0.1 * radius, 0.1 * radius), rng.uniform(-900, 900))
    return scan(canvas, "other")


def other_numbers(rng: np.random.Generator) -> Drawn:
    """A body whose numbers are not HU: a missing intercept, MR-like intensities, pure noise."""
    kind = rng.choice(["intercept", "mr", "noise"])
    if kind == "noise":
        noise = gaussian_filter(rng.standard_normal((SIZE, SIZE)), rng.uniform(0.3, 12))
        hu = rng.uniform(-100, 200) + rng.uniform(20, 200) * noise / noise.std()
        return Drawn(hu.astype(np.float32), np.zeros((SIZE, SIZE), dtype=np.uint8), "other", 1.6)
    body = phantom.abdomen(rng) if rng.random() < 0.5 else phantom.trunk_without_liver(rng)
    if kind == "intercept":
        return body._replace(hu=body.hu + 1024.0, region="other")
    levels = np.sort(rng.uniform(0, 400, 8))
    mapped = np.interp(body.hu, np.linspace(-1000, 400, 8), rng.permutation(levels))
    return body._replace(hu=mapped.astype(np.float32), region="other")
