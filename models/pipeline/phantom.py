"""Procedural slices of the trunk: with a liver whose tumours are known, and without one.

Only appearance that the network can use is modelled: which tissues touch which, at which HU, in
which phase of contrast. The appliance has a phantom of its own; the two share no code, so that its
demonstration is a test and not a rehearsal.
"""

from __future__ import annotations

import numpy as np

from . import tumours
from .canvas import Canvas, Drawn, scan, union
from .data import LIVER, SIZE

PHASES = {
    "native": {"liver": 55, "spleen": 47, "aorta": 40, "portal": 42, "kidney": 32, "muscle": 55},
    "arterial": {"liver": 70, "spleen": 110, "aorta": 290, "portal": 95, "kidney": 150, "muscle": 60},
    "portal": {"liver": 105, "spleen": 115, "aorta": 150, "portal": 165, "kidney": 185, "muscle": 62},
    "delayed": {"liver": 90, "spleen": 95, "aorta": 110, "portal": 112, "kidney": 170, "muscle": 62},
}


class Trunk:
    """A body with spine, ribs and great vessels; organs are added by the level that is drawn."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.half_width = rng.uniform(130, 205)
        self.half_depth = self.half_width * rng.uniform(0.62, 0.8)
        field = 2 * self.half_width * rng.uniform(1.02, 1.35)
        self.canvas = Canvas(rng, np.clip(field, 300, 500) / SIZE, rng.uniform(1, 6))
        table = PHASES[rng.choice(list(PHASES))]
        self.tissue = {name: value * np.exp(rng.normal(0, 0.12)) for name, value in table.items()}
        if rng.random() < 0.15:
            self.tissue["liver"] = rng.uniform(5, 45)
        if rng.random() < 0.15:
            self.tissue["liver"] = rng.uniform(120, 190)
        if rng.random() < 0.2:
            self.tissue = {name: rng.uniform(20, 210) for name in table}
        self._wall()

    def _wall(self) -> None:
        rng, canvas, a, b = self.rng, self.canvas, self.half_width, self.half_depth
        fat, thin = rng.uniform(4, 38), rng.uniform(6, 14)
        canvas.fill(canvas.ellipse(0, 0, a, b, power=rng.uniform(2, 2.6)), rng.uniform(-115, -85), 8)
        self.inner = (a - fat - thin, b - 0.8 * fat - thin)
        canvas.fill(canvas.ellipse(0, 0, a - fat, b - 0.8 * fat, power=2.3), self.tissue["muscle"], 6)
        self.cavity = canvas.ellipse(0, -0.04 * b, self.inner[0], self.inner[1] * 0.92, power=2.2)
        canvas.fill(self.cavity, rng.uniform(-110, -85), 10)
        if rng.random() < 0.6:
            arc = np.abs(np.hypot(canvas.x, canvas.y + 400) - (400 + b + rng.uniform(5, 25))) - 2.0
            canvas.fill(np.maximum(arc, np.abs(canvas.x) - 200), rng.uniform(-200, 300))

    def bones(self, ribs: bool = True) -> None:
        """Vertebra with its canal, muscles of the back, ribs along the wall."""
        rng, canvas, b = self.rng, self.canvas, self.half_depth
        spine = (rng.normal(0, 3), b * rng.uniform(0.36, 0.46))
        for side in (-1, 1):
            canvas.fill(canvas.ellipse(side * 34, spine[1] + 30, 26, 24), self.tissue["muscle"], 8)
        canvas.fill(canvas.ellipse(spine[0], spine[1] + 34, 7, 26), rng.uniform(200, 500))
        canvas.fill(canvas.ellipse(spine[0], spine[1] + 20, 38, 5), rng.uniform(200, 450))
        canvas.fill(canvas.ellipse(*spine, rng.uniform(19, 26), rng.uniform(15, 20)), rng.uniform(250, 600))
        canvas.fill(canvas.ellipse(*spine, 17, 13), rng.uniform(110, 260), 25)
        canvas.fill(canvas.ellipse(spine[0], spine[1] + 22, 10, 8), 30)
        self.spine = spine
        if ribs:
            start = rng.uniform(0, 0.5)
            for angle in np.arange(start, 2 * np.pi, rng.uniform(0.35, 0.6)):
                at = ((self.inner[0] + 4) * np.cos(angle), (self.inner[1] + 2) * np.sin(angle))
                turn = np.arctan2(self.inner[1] * np.cos(angle), -self.inner[0] * np.sin(angle))
                canvas.fill(canvas.ellipse(*at, rng.uniform(6, 18), 4, turn), rng.uniform(250, 700))
                canvas.fill(canvas.ellipse(*at, 5, 1.8, turn), rng.uniform(80, 200))

    def vessels(self) -> None:
        """Aorta before the spine to the left, vena cava to the right."""
        rng, (x, y) = self.rng, self.spine
        canvas = self.canvas
        canvas.fill(canvas.ellipse(x + 12, y - 28, 11, 11), self.tissue["aorta"], 4)
        self.cava = (x - rng.uniform(16, 28), y - rng.uniform(26, 40))
        canvas.fill(canvas.ellipse(*self.cava, 13, 10, rng.uniform(0, 3)), self.tissue["portal"] * 0.9, 4)

    def blob(
        self, x: float, y: float, rx: float, ry: float, value: float, texture: float = 6.0
    ) -> np.ndarray:
        """An organ at a place given in shares of the body's half axes, sizes in mm."""
        rng, canvas = self.rng, self.canvas
        at = (x * self.inner[0] + rng.normal(0, 6), y * self.inner[1] + rng.normal(0, 6))
        shape = canvas.ellipse(*at, rx * rng.uniform(0.8, 1.25), ry * rng.uniform(0.8, 1.25), rng.normal(0, 0.4))
        return canvas.fill(shape, value, texture, within=self.cavity + 2)

    def bowel(self, count: int, right: bool = True) -> None:
        """Loops with gas, fluid, wall and at times contrast."""
        rng, canvas = self.rng, self.canvas
        for _ in range(count):
            x, y = rng.uniform(-0.8 if right else 0.0, 0.85), rng.uniform(-0.8, 0.3)
            at, radius = (x * self.inner[0], y * self.inner[1]), rng.uniform(8, 22)
            loop = canvas.ellipse(*at, radius * rng.uniform(1, 2), radius, rng.uniform(0, 3))
            canvas.fill(loop, rng.uniform(30, 100), 6, within=self.cavity + 2)
            content = rng.choice([-900.0, 10.0, 40.0, 280.0], p=[0.25, 0.25, 0.35, 0.15])
            canvas.fill(loop + rng.uniform(2, 4), content, 8, within=self.cavity + 4)

    def left_organs(self, kidneys: bool) -> None:
        """Stomach, spleen, pancreas and kidneys: soft tissue that is not liver."""
        rng, tissue = self.rng, self.tissue
        stomach = self.canvas.ellipse(0.3 * self.inner[0], -0.4 * self.inner[1], rng.uniform(25, 60), rng.uniform(20, 40), rng.normal(0, 0.5))
        self.canvas.fill(stomach, rng.uniform(40, 90), 6, within=self.cavity + 2)
        self.canvas.fill(stomach + rng.uniform(4, 9), rng.choice([-900.0, 8.0, 60.0, 250.0]), 10, within=self.cavity + 4)
        if rng.random() < 0.85:
            self.blob(0.72, 0.32, rng.uniform(18, 40), rng.uniform(30, 55), tissue["spleen"])
        if rng.random() < 0.6:
            self.blob(0.1, -0.05, rng.uniform(25, 50), rng.uniform(8, 14), tissue["liver"] * 0.9, 12)
        if kidneys:
            for side in (-1, 1):
                self.kidney(side)

    def kidney(self, side: int) -> None:
        """Bright cortex, darker or brighter sinus."""
        rng = self.rng
        self.blob(side * 0.42, 0.42, 27, 31, self.tissue["kidney"], 10)
        self.blob(side * 0.38, 0.42, 9, 14, rng.choice([-70.0, 20.0, 250.0]))

    def lungs(self, share: float) -> None:
        """Both lungs, filling `share` of the cavity's half depth."""
        for side in (-1, 1):
            at = (side * 0.52 * self.inner[0], 0.12 * self.inner[1])
            lung = self.canvas.ellipse(*at, 0.46 * self.inner[0], share * self.inner[1])
            self.canvas.fill(lung, self.rng.normal(-870, 30), 20, within=self.cavity + 1)

    def heart(self) -> None:
        """Chambers of different contrast left of the middle."""
        rng, tissue = self.rng, self.tissue
        self.blob(0.15, -0.3, 58, 45, tissue["muscle"] * 1.4)
        for _ in range(3):
            self.blob(0.15 + rng.normal(0, 0.12), -0.3 + rng.normal(0, 0.1), 22, 20, tissue["aorta"] * rng.uniform(0.5, 1))

    def liver(self, reach: float, left: float) -> None:
        """Right lobe of `reach` 0..1 and left lobe of `left` 0..1, with vessels and fissure."""
        rng, canvas, (a, b) = self.rng, self.canvas, self.inner
        parts = [
            canvas.ellipse(-0.6 * a, rng.uniform(-0.15, 0.1) * b, a * (0.12 + 0.32 * reach), b * (0.2 + 0.55 * reach), rng.normal(0, 0.15)),
            canvas.ellipse(-0.65 * a, 0.15 * b, a * (0.1 + 0.22 * reach), b * (0.2 + 0.4 * reach), rng.normal(0, 0.3)),
        ]
        if left > 0.05:
            parts.append(canvas.ellipse(-0.25 * a, -0.4 * b, a * (0.15 + 0.25 * left), b * (0.15 + 0.2 * left), rng.normal(0, 0.3)))
            parts.append(canvas.ellipse((0.3 * left - 0.1) * a, -0.5 * b, a * (0.1 + 0.3 * left), b * 0.22, rng.normal(-0.1, 0.2)))
        shape = np.maximum(union(parts, rng.uniform(3, 10)), self.cavity + rng.uniform(0, 3))
        inside = canvas.fill(shape, self.tissue["liver"], rng.uniform(2, 8), label=LIVER)
        if left > 0.3 and rng.random() < 0.5:
            fissure = canvas.tube((-0.18 * a, -0.75 * b), rng.normal(1.3, 0.2), 0.4 * b, rng.uniform(2, 4))
            canvas.fill(fissure, rng.uniform(-90, 20), within=shape)
        self._trees(shape, inside)

    def _trees(self, shape: np.ndarray, inside: np.ndarray) -> None:
        """Portal and hepatic veins: tapering branches, and round cuts through others."""
        rng, canvas = self.rng, self.canvas
        places = np.argwhere(inside)
        if len(places) < 200:
            return
        for _ in range(int(rng.integers(3, 14))):
            row, column = places[rng.integers(len(places))]
            at = (float(canvas.x[row, column]), float(canvas.y[row, column]))
            value = self.tissue["portal"] * rng.uniform(0.8, 1.1)
            if rng.random() < 0.3:  # hepatic veins fill last: in early phases they are the darker ones
                value = self.tissue["liver"] * rng.uniform(0.55, 1.3)
            length = rng.uniform(1, 12) if rng.random() < 0.5 else rng.uniform(20, 60)
            branch = canvas.tube(at, rng.uniform(0, 6.3), length, rng.uniform(1.2, 5))
            canvas.fill(branch, value, within=shape, label=LIVER)


def abdomen(rng: np.random.Generator) -> Drawn:
    """A slice with a liver and, more often than not, tumours."""
    trunk = Trunk(rng)
    level = rng.uniform(0, 1)  # 0 at the dome, 1 at the lower tip
    trunk.bones()
    trunk.vessels()
    if level < 0.3:
        trunk.lungs(rng.uniform(0.75, 0.95))
        if level < 0.15:
            trunk.heart()
    if level > 0.35:
        trunk.bowel(int(rng.integers(0, 10)), right=level > 0.6)
    trunk.left_organs(kidneys=level > 0.45)
    reach = np.clip(1.4 * np.sin(np.pi * np.clip(level + 0.12, 0, 1)), 0.1, 1.0) * rng.uniform(0.7, 1.0)
    left = max(0.0, 1 - abs(level - 0.35) / 0.35) * rng.uniform(0.3, 1.0)
    trunk.liver(float(reach), float(left))
    if level > 0.4 and rng.random() < 0.5:
        trunk.blob(-0.3, -0.25, rng.uniform(10, 20), rng.uniform(12, 30), rng.uniform(-2, 22), 2)
    if level > 0.5 and rng.random() < 0.6:
        trunk.kidney(-1)
    canvas = trunk.canvas
    if rng.random() < 0.7:
        tumours.paint(rng, canvas.hu, canvas.label, canvas.mm, int(rng.integers(1, 7)), floor_hu=-1000.0)
    return scan(canvas, "liver")


def trunk_without_liver(rng: np.random.Generator) -> Drawn:
    """Chest, lower abdomen or pelvis."""
    trunk = Trunk(rng)
    kind = rng.choice(["chest", "lower", "pelvis"])
    trunk.bones(ribs=kind == "chest")
    if kind == "chest":
        trunk.lungs(rng.uniform(0.8, 1.0))
        trunk.heart()
        trunk.vessels()
    else:
        trunk.vessels()
        trunk.bowel(int(rng.integers(6, 22)))
        for side in (-1, 1):
            trunk.blob(side * rng.uniform(0.2, 0.5), 0.3, 24, rng.uniform(22, 50), trunk.tissue["muscle"])
            if kind == "lower" and rng.random() < 0.5:
                trunk.kidney(side)
            if kind == "pelvis":
                trunk.blob(side * 0.55, 0.75, 55, 35, trunk.tissue["muscle"])
                trunk.blob(side * 0.7, 0.2, rng.uniform(8, 28), rng.uniform(20, 50), rng.uniform(200, 700), 60)
        if kind == "pelvis":
            trunk.blob(0, -0.3, rng.uniform(25, 50), rng.uniform(20, 40), rng.uniform(0, 30), 2)
    return scan(trunk.canvas, "trunk")
