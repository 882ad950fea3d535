"""A hospital's own cases: how they are read, and a head tuned on them. Needs no patient data."""

from __future__ import annotations

import tempfile
import tomllib
import unittest
from pathlib import Path
from unittest import mock

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SegmentationStorage, generate_uid

from pipeline import cases, phantom, tune
from pipeline.data import LIVER, SIZE, TUMOUR, Slice
from pipeline.runner import Runner

BUNDLE = Path(__file__).parents[1] / "liver-tumour"
ROWS, COLUMNS, SPACING = 80, 100, 4.0


def instance(sop_class: str, modality: str, **values: object) -> Dataset:
    """A data set with a file meta header, ready to be saved."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.SOPClassUID, one.SOPInstanceUID, one.Modality = sop_class, generate_uid(), modality
    one.file_meta.MediaStorageSOPClassUID = sop_class
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    one.Rows, one.Columns, one.SamplesPerPixel = ROWS, COLUMNS, 1
    one.PhotometricInterpretation = "MONOCHROME2"
    for keyword, value in values.items():
        setattr(one, keyword, value)
    return one


def ct(hu: np.ndarray, z: float, series: str) -> Dataset:
    """An axial slice of HU [rows, columns] at a height in mm."""
    return instance(
        CTImageStorage, "CT", SeriesInstanceUID=series, ImagePositionPatient=[0, 0, z],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelSpacing=[SPACING, SPACING], BitsAllocated=16,
        BitsStored=16, HighBit=15, PixelRepresentation=1, RescaleSlope=1, RescaleIntercept=-1000,
        PixelData=(hu + 1000).astype("<i2").tobytes(),
    )


def seg(frames: list[tuple[np.ndarray, int, float]]) -> Dataset:
    """Binary frames [rows, columns] with segment number and height; 1 is liver, 2 is neoplasm."""
    segments, groups = [], []
    for number, code in ((1, "10200004"), (2, "108369006")):
        of_type = Dataset()
        of_type.CodeValue = code
        segment = Dataset()
        segment.SegmentNumber, segment.SegmentedPropertyTypeCodeSequence = number, [of_type]
        segments.append(segment)
    for _, number, z in frames:
        identification, position, group = Dataset(), Dataset(), Dataset()
        identification.ReferencedSegmentNumber, position.ImagePositionPatient = number, [0, 0, z]
        group.SegmentIdentificationSequence, group.PlanePositionSequence = [identification], [position]
        groups.append(group)
    bits = np.stack([mask for mask, _, _ in frames]).astype(np.uint8).ravel()
    return instance(
        SegmentationStorage, "SEG", SegmentSequence=segments, PerFrameFunctionalGroupsSequence=groups,
        NumberOfFrames=len(frames), BitsAllocated=1, BitsStored=1, HighBit=0, PixelRepresentation=0,
        PixelData=np.packbits(bits, bitorder="little").tobytes(),
    )


class Cases(unittest.TestCase):
    def test_a_nifti_lies_with_columns_to_the_left_and_rows_to_the_back(self):
        voxels = np.zeros((100, 100, 1), dtype=np.float32)  # axes: right, anterior, superior
        marks = np.zeros((100, 100, 1), dtype=np.uint8)
        voxels[70:90, 60:80, 0], marks[70:90, 60:80, 0] = 120, 1  # the right front of the patient
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for part, values in (("images", voxels), ("labels", marks)):
                (folder / part).mkdir()
                image = nibabel.Nifti1Image(values, np.diag([4.0, 4.0, 5.0, 1.0]))
                nibabel.save(image, folder / part / "one.nii.gz")
            (laid,) = cases.load(folder)
        rows, columns = np.nonzero(laid.label == LIVER)
        self.assertLess(columns.mean(), SIZE / 2)
        self.assertLess(rows.mean(), SIZE / 2)
        self.assertAlmostEqual(float(laid.hu[laid.label == LIVER].mean()), 120, delta=6)

    def test_laying_keeps_areas_in_square_millimetres(self):
        label = np.zeros((512, 512), dtype=np.uint8)
        label[100:300, 150:350] = LIVER
        _, laid = cases.lay(np.zeros((512, 512)), label, (0.7, 0.8))
        pixel = 512 * 0.8 / SIZE
        self.assertAlmostEqual((laid == LIVER).sum() * pixel**2 / (200 * 200 * 0.56), 1.0, delta=0.02)

    def test_a_ct_series_with_its_segmentation_is_a_case_whatever_else_lies_there(self):
        liver, tumour = np.zeros((2, ROWS, COLUMNS), dtype=bool)
        liver[20:60, 10:50], tumour[30:40, 20:30] = True, True
        hu = np.where(liver, 110, -100)
        series = generate_uid()
        with tempfile.TemporaryDirectory() as name:
            case = Path(name) / "one"
            case.mkdir()
            for z in (0.0, 5.0):
                ct(hu, z, series).save_as(case / f"{z}.dcm", enforce_file_format=True)
            marks = seg([(liver, 1, 5.04), (tumour, 2, 5.04)])
            marks.save_as(case / "seg.dcm", enforce_file_format=True)
            (case / "notes.txt").write_text("no DICOM")
            below, above = cases.load(Path(name))
        self.assertFalse(below.label.any(), "the segmentation has no frame there")
        pixel_cm2 = (COLUMNS * SPACING / SIZE / 10) ** 2
        self.assertAlmostEqual((above.label == TUMOUR).sum() * pixel_cm2, 16, delta=1)
        self.assertAlmostEqual((above.label == LIVER).sum() * pixel_cm2, 240, delta=5)
        self.assertAlmostEqual(float(above.hu[above.label == LIVER].mean()), 110, delta=3)
        self.assertEqual(above.patient, "one")


class Tuning(unittest.TestCase):
    def test_a_new_head_leaves_the_encoder_as_it_is_and_asks_it_once_for_each_slice(self):
        drawn = [phantom.abdomen(np.random.default_rng(seed)) for seed in range(4)]
        slices = [Slice(np.clip(one.hu, 0, 255), one.label, f"p{i}", f"p{i}_1") for i, one in enumerate(drawn)]
        with tempfile.TemporaryDirectory() as name:
            out, scratch = Path(name) / "out", Path(name) / "scratch"
            results = tune.tune(BUNDLE, slices[:3], slices[3:], out, scratch, "linear", 1, 0, 1)
            self.assertEqual((out / "encoder.onnx").read_bytes(), (BUNDLE / "encoder.onnx").read_bytes())
            self.assertNotEqual((out / "head.onnx").read_bytes(), (BUNDLE / "head.onnx").read_bytes())
            self.assertTrue(tomllib.loads((out / "bundle.toml").read_text())["version"].endswith("+tuned"))
            self.assertEqual(set(results), {"before", "after"})
            runner = Runner(BUNDLE)
            cache = tune.EmbeddingCache(scratch / "embeddings", BUNDLE / "encoder.onnx", runner)
            with mock.patch.object(runner, "encode", side_effect=AssertionError("asked again")):
                kept = cache.get(slices[0].name, slices[0].hu)
        self.assertEqual(kept["embedding"].shape, (64, SIZE // 4, SIZE // 4))
        self.assertEqual(kept["skip"].shape, (16, SIZE // 2, SIZE // 2))


if __name__ == "__main__":
    unittest.main()
