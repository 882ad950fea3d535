"""A hospital's own annotated volumes as training slices: NIfTI pairs, or CT series with a DICOM SEG.

    FOLDER/images/NAME.nii.gz  FOLDER/labels/NAME.nii.gz      0 background, 1 liver, 2 tumour
    FOLDER/NAME/*.dcm                                         one CT series and one SEG per folder

A patient may have several cases, which must not be parted: one phase of a liver is nearly a copy of
another. A DICOM case is its Patient ID's, or its own patient's where that is empty; of a NIfTI file the
name says whose it is, PATIENT_PHASE.nii.gz.

Slices are laid exactly as the appliance lays them: columns to the patient's left, rows to the back,
a square field of view of the image's own size within 300 to 500 mm, resampled by area to 256 pixels
after clipping to 0..255 HU.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from .data import BACKGROUND, HU_TOP, LIVER, SIZE, TUMOUR, Slice, patient_of

FIELD_MM = (300.0, 500.0)
AXIAL_COSINE = 0.95
LIVER_CODES = {"10200004", "T-62000"}
"""SNOMED CT, and the SRT code that older writers use."""
TUMOUR_CODES = {"108369006", "4147007", "126851005", "M-80003", "M-03000"}
"""Neoplasm, mass, neoplasm of liver; SRT neoplasm and mass."""


def load(folder: Path) -> list[Slice]:
    """Every slice of every case below `folder`."""
    if (folder / "images").is_dir():
        slices = [one for path in sorted((folder / "images").glob("*.nii*")) for one in _nifti(folder, path)]
    else:
        cases = sorted(path for path in folder.iterdir() if path.is_dir())
        slices = [one for case in cases for one in _dicom(case)]
    if not slices:
        raise ValueError(f"{folder} holds neither images/*.nii* nor folders of DICOM files")
    return slices


def lay(hu: np.ndarray, label: np.ndarray, spacing: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """HU and label [rows, columns] with (row, column) spacing in mm, onto the network's square."""
    own = max(hu.shape[0] * spacing[0], hu.shape[1] * spacing[1])
    field = float(np.clip(own, *FIELD_MM))
    down, across = (_areas(n, mm, field) for n, mm in zip(hu.shape, spacing, strict=True))
    square = down @ np.clip(hu, 0, HU_TOP) @ across.T
    shares = np.stack([down @ (label == value) @ across.T for value in (LIVER, TUMOUR)])
    inside = shares.sum(axis=0) > 0.5
    marked = np.where(inside, np.where(shares[1] > shares[0], TUMOUR, LIVER), BACKGROUND)
    return square.astype(np.float32), marked.astype(np.uint8)


def _areas(count: int, spacing: float, field: float) -> np.ndarray:
    """[S, count]: which share of each network pixel every source pixel covers; air outside."""
    edges = np.arange(count + 1) * spacing + (field - count * spacing) / 2
    pixel = field / SIZE
    starts = np.arange(SIZE)[:, None] * pixel
    overlap = np.minimum(edges[None, 1:], starts + pixel) - np.maximum(edges[None, :-1], starts)
    return np.clip(overlap, 0, None) / pixel


def _nifti(folder: Path, path: Path) -> Iterator[Slice]:
    image = nibabel.as_closest_canonical(nibabel.load(path))
    label = nibabel.as_closest_canonical(nibabel.load(folder / "labels" / path.name))
    if image.shape != label.shape or not np.allclose(image.affine, label.affine, atol=1e-2):
        raise ValueError(f"{path.name}: image and label do not lie on the same grid")
    along_x, along_y, _ = (float(mm) for mm in image.header.get_zooms()[:3])
    voxels, marks = np.asarray(image.dataobj), np.asarray(label.dataobj)
    name = path.name.removesuffix(".gz").removesuffix(".nii")
    for z in range(voxels.shape[2]):
        # Canonical axes run right and anterior; ours run left and posterior, rows first.
        hu, mark = voxels[::-1, ::-1, z].T, marks[::-1, ::-1, z].T
        laid = lay(hu.astype(np.float32), mark.astype(np.uint8), (along_y, along_x))
        yield Slice(*laid, patient_of(name), f"{name}_{z:04}")


def _dicom(case: Path) -> Iterator[Slice]:
    files = list(_instances(case))
    images = [file for file in files if file.get("Modality") == "CT" and "PixelData" in file]
    segmentations = [file for file in files if file.get("Modality") == "SEG"]
    if not images or len(segmentations) != 1:
        raise ValueError(f"{case} must hold one CT series and one SEG, not {len(segmentations)} SEGs")
    if len({image.SeriesInstanceUID for image in images}) != 1:
        raise ValueError(f"{case} holds more than one CT series")
    marks = _marks(segmentations[0])
    patient = str(images[0].get("PatientID") or "").strip() or case.name
    for image in images:
        turn = _turn(image)
        hu = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
        mark = marks.get(_place(image.ImagePositionPatient), np.zeros(hu.shape, dtype=np.uint8))
        if mark.shape != hu.shape:
            raise ValueError(f"{case}: the SEG has another grid than its CT")
        rows_mm, columns_mm = (float(mm) for mm in image.PixelSpacing)
        spacing = (columns_mm, rows_mm) if turn[0] else (rows_mm, columns_mm)
        laid = lay(_turned(hu.astype(np.float32), turn), _turned(mark, turn), spacing)
        yield Slice(*laid, patient, f"{case.name}_{_place(image.ImagePositionPatient)[2]:.1f}")


def _instances(case: Path) -> Iterator[pydicom.Dataset]:
    """Every DICOM file below a folder; whatever else lies there is passed over."""
    for path in sorted(path for path in case.rglob("*") if path.is_file()):
        try:
            yield pydicom.dcmread(path)
        except InvalidDicomError:
            continue


def _marks(segmentation: pydicom.Dataset) -> dict[tuple[float, ...], np.ndarray]:
    """Label per plane position, from a binary SEG whose frames lie on the CT's own planes."""
    values = {}
    for segment in segmentation.SegmentSequence:
        code = segment.SegmentedPropertyTypeCodeSequence[0].CodeValue
        value = LIVER if code in LIVER_CODES else TUMOUR if code in TUMOUR_CODES else None
        if value is not None:
            values[int(segment.SegmentNumber)] = value
    frames = np.atleast_3d(segmentation.pixel_array).reshape(-1, segmentation.Rows, segmentation.Columns)
    marks: dict[tuple[float, ...], np.ndarray] = {}
    for frame, groups in zip(frames, segmentation.PerFrameFunctionalGroupsSequence, strict=True):
        number = int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        if number in values:
            place = _place(groups.PlanePositionSequence[0].ImagePositionPatient)
            mark = marks.setdefault(place, np.zeros(frame.shape, dtype=np.uint8))
            mark[frame > 0] = np.maximum(mark[frame > 0], values[number])
    return marks


def _place(position: list[float]) -> tuple[float, ...]:
    """A plane's position rounded to 0.1 mm, so that a writer's rounding does not hide a match."""
    return tuple(round(float(value), 1) for value in position)


def _turn(image: pydicom.Dataset) -> tuple[bool, bool, bool]:
    """Whether to transpose, flip rows and flip columns so that rows run back and columns left."""
    along_row, along_column = np.array(image.ImageOrientationPatient, dtype=float).reshape(2, 3)
    transpose = abs(along_row[1]) > abs(along_row[0])
    left, back = (along_column[0], along_row[1]) if transpose else (along_row[0], along_column[1])
    if min(abs(left), abs(back)) < AXIAL_COSINE:
        raise ValueError(f"series {image.SeriesInstanceUID} is not axial")
    return transpose, back < 0, left < 0


def _turned(values: np.ndarray, turn: tuple[bool, bool, bool]) -> np.ndarray:
    transpose, flip_rows, flip_columns = turn
    values = values.T if transpose else values
    values = values[::-1] if flip_rows else values
    return values[:, ::-1] if flip_columns else values
