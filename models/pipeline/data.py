"""Slices with labels, and the image conventions everything else relies on.

A slice is a float32 array [S, S] of Hounsfield units clipped to 0..255, in the view of a radiologist
reading a supine axial CT: rows run to the patient's posterior, columns to the patient's left. The
appliance prepares slices the same way; if the two ever differ, the network sees mirrored patients
and nothing crashes to say so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 256
"""Side of the network's input in pixels."""

HU_TOP = 255.0
"""The training slices carry HU clipped to 0..255, so nothing outside that range may be used."""

WINDOWS = ((0.0, 255.0), (40.0, 180.0), (0.0, 100.0))
"""Lower and upper HU of each input channel; clipped and scaled to 0..1."""

BACKGROUND, LIVER, TUMOUR = 0, 1, 2
LIVER_OR_TUMOUR = 3
"""Inside the liver, but whether it is tumour is unknown: the annotation has no tumour label."""
IGNORED = 255
"""Nothing is known about this pixel; it takes no part in any loss or score."""

REGIONS = ("liver", "trunk", "head", "limb", "other")
"""What a whole slice shows; the order of the encoder's `gate` logits."""
REGION_UNKNOWN = -1


@dataclass(frozen=True)
class Slice:
    """One axial slice: HU [S, S] float32 in 0..255, label [S, S] uint8, and where it is from."""

    hu: np.ndarray
    label: np.ndarray
    patient: str
    name: str


def windows(hu: np.ndarray) -> np.ndarray:
    """Turns HU [..., S, S] into the network's input [..., 3, S, S], float32 in 0..1."""
    channels = [(np.clip(hu, low, high) - low) / (high - low) for low, high in WINDOWS]
    return np.stack(channels, axis=-3).astype(np.float32)


def patient_of(name: str) -> str:
    """The patient that PATIENT_SLICE names: what stands before the last underscore, or all of it.

    The appliance's `hepar evaluate` reads names by the same rule.
    """
    return name.rpartition("_")[0] or name


def load_split(folder: Path) -> tuple[list[Slice], list[Slice]]:
    """Reads training and validation slices of a folder of PNG pairs with a `split.json`.

    The split is by patient: two slices of one patient are nearly copies of each other, and a split
    by slice would report memory as skill.
    """
    split = json.loads((folder / "split.json").read_text())
    train, validation = set(split["train"]), set(split["val"])
    if shared := train & validation:
        raise ValueError(f"patients in both parts of the split: {sorted(shared)}")
    parts: dict[str, list[Slice]] = {"train": [], "val": []}
    for path in sorted((folder / "images").glob("*.png")):
        patient = patient_of(path.stem)
        part = "train" if patient in train else "val" if patient in validation else None
        if part is not None:
            parts[part].append(_read_pair(path, folder / "masks" / path.name, patient))
    if not parts["train"] or not parts["val"]:
        raise ValueError(f"{folder} holds no slices for one part of its split")
    return parts["train"], parts["val"]


def _read_pair(image: Path, mask: Path, patient: str) -> Slice:
    hu = np.asarray(Image.open(image), dtype=np.float32)
    inside = np.asarray(Image.open(mask)) > 127
    if hu.shape != (SIZE, SIZE) or inside.shape != hu.shape:
        raise ValueError(f"{image} is not a {SIZE}x{SIZE} grey image with a mask of its size")
    return Slice(hu, np.where(inside, LIVER_OR_TUMOUR, BACKGROUND).astype(np.uint8), patient, image.stem)
