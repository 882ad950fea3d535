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
import torch
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SegmentationStorage, generate_uid

from pipeline import calibrate, cases, phantom, tune
from pipeline.data import LIVER, SIZE, TUMOUR, Slice, windows
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


def ct(hu: np.ndarray, z: float, series: str, patient: str = "") -> Dataset:
    """An axial slice of HU [rows, columns] at a height in mm."""
    return instance(
        CTImageStorage, "CT", SeriesInstanceUID=series, PatientID=patient, ImagePositionPatient=[0, 0, z],
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


    def test_cases_of_one_patient_stay_on_one_side(self):
        mark = np.zeros((ROWS, COLUMNS), dtype=bool)
        mark[20:60, 10:50] = True
        with tempfile.TemporaryDirectory() as name:
            for case, patient in (("arterial", "4711"), ("venous", "4711 "), ("other", "815"), ("nameless", "")):
                folder = Path(name) / case
                folder.mkdir()
                ct(np.where(mark, 110, -100), 0.0, generate_uid(), patient).save_as(folder / "ct", enforce_file_format=True)
                seg([(mark, 1, 0.0)]).save_as(folder / "seg", enforce_file_format=True)
            slices = cases.load(Path(name))
        patients = {one.name.split("_")[0]: one.patient for one in slices}
        self.assertEqual(patients["arterial"], patients["venous"])
        self.assertEqual(patients["nameless"], "nameless")
        self.assertFalse([one for one in slices if "4711" in one.name], "a Patient ID is kept nowhere")
        for seed in range(6):
            train, held_out = tune.split(slices, 0.34, seed)
            self.assertTrue(train and held_out)
            self.assertFalse({one.patient for one in train} & {one.patient for one in held_out})

    def test_a_name_of_a_nifti_says_whose_it_is(self):
        nothing = np.zeros((8, 8, 1), dtype=np.uint8)
        with tempfile.TemporaryDirectory() as name:
            for part in ("images", "labels"):
                (Path(name) / part).mkdir()
                for case in ("a_1_venous", "a_1_late", "b", "1.2.3"):
                    nibabel.save(nibabel.Nifti1Image(nothing, np.diag([40, 40, 5, 1])), Path(name) / part / f"{case}.nii.gz")
            slices = cases.load(Path(name))
        self.assertEqual([one.patient for one in slices], ["1.2.3", "a_1", "a_1", "b"])
        with self.assertRaisesRegex(ValueError, "last underscore"):
            tune.split(slices[1:3], 0.2, 1)


class Answers:
    """Stands for a bundle whose logits are the labels it was given, of some sureness."""

    def __init__(self, slices: list[Slice], sure: float):
        self.known = {windows(one.hu).tobytes(): one.label for one in slices}
        self.sure = sure

    def stride(self) -> int:
        return 1

    def logits(self, image: np.ndarray) -> np.ndarray:
        label = self.known.get(image[0].tobytes(), np.zeros((SIZE, SIZE), dtype=np.uint8))
        return self.sure * (label == np.arange(3)[:, None, None])[None].astype(np.float32)

    def full_logits(self, hu: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.logits(windows(hu)[None])[0])


class Limits(unittest.TestCase):
    def setUp(self) -> None:
        label = np.zeros((SIZE, SIZE), dtype=np.uint8)
        label[60:120, 60:120], label[70:90, 70:90] = LIVER, TUMOUR
        self.slices = [
            Slice(np.full((SIZE, SIZE), 20 + patient, np.float32), label, str(patient), str(patient))
            for patient in range(calibrate.FEWEST)
        ]

    def test_annotated_tumours_are_taken_for_what_they_are_and_nothing_is_painted(self):
        # A slice that was painted would no longer be known, and its liver would be missed for sure.
        _, errors = calibrate.temperature(Answers(self.slices, 9.0), self.slices)
        self.assertLess(errors["calibration_error_before"], 0.01)

    def test_from_few_patients_only_what_does_not_depend_on_them_is_a_limit(self):
        answers = Answers(self.slices, 2.0)
        limits = calibrate.gates(answers, self.slices, 1.0)
        self.assertEqual(set(limits), set(calibrate.OF_THE_HEAD))
        self.assertLess(limits["organ-entropy"], limits["organ-entropy-refuse"])
        few = calibrate.gates(answers, self.slices[1:], 1.0)
        sure = calibrate.REFUSE_AGREEMENT
        self.assertEqual(few, {"organ-agreement": {"warn": sure, "refuse": sure}})

    def test_a_head_that_finds_no_liver_gives_no_limit_that_is_no_number(self):
        nothing = [Slice(one.hu, np.zeros_like(one.label), one.patient, one.name) for one in self.slices]
        limits = calibrate.gates(Answers(nothing, 9.0), self.slices, 1.0)
        self.assertEqual(set(limits), {"organ-agreement"})


class Tuning(unittest.TestCase):
    def test_a_new_head_leaves_the_encoder_as_it_is_and_asks_it_once_for_each_slice(self):
        drawn = [phantom.abdomen(np.random.default_rng(seed)) for seed in range(4)]
        slices = [Slice(np.clip(one.hu, 0, 255), one.label, f"p{i}", f"p{i}_1") for i, one in enumerate(drawn)]
        with tempfile.TemporaryDirectory() as name:
            out, scratch = Path(name) / "out", Path(name) / "scratch"
            wanted = tune.Wanted("liver-tumour-tuned", head="linear", epochs=1, variants=0)
            results = tune.tune(BUNDLE, slices[:3], slices[3:], out, scratch, wanted)
            self.assertEqual((out / "encoder.onnx").read_bytes(), (BUNDLE / "encoder.onnx").read_bytes())
            self.assertNotEqual((out / "head.onnx").read_bytes(), (BUNDLE / "head.onnx").read_bytes())
            old, new = (tomllib.loads((folder / "bundle.toml").read_text()) for folder in (BUNDLE, out))
            self.assertEqual((new["name"], new["version"]), ("liver-tumour-tuned", "1.0.0"))
            self.assertEqual(new["gates"]["embedding-distance"], old["gates"]["embedding-distance"])
            self.assertNotIn("organ-entropy", new["gates"], "one patient's liver is no limit for others")
            # The logits of such a head are all but equal: rounded ones say something else here and there.
            expected, kept = Runner(out, integer=False), np.load(out / "golden.npz")
            turned = (expected.logits(kept["image"]).argmax(1) != kept["logits"].argmax(1)).mean()
            self.assertLessEqual(turned, new["golden"]["label-disagreement"])
            self.assertNotIn("= nan", (out / "bundle.toml").read_text())
            self.assertEqual(set(results), {"before", "after"})
            runner = Runner(BUNDLE)
            cache = tune.EmbeddingCache(scratch / "embeddings", BUNDLE / "encoder.onnx", runner)
            with mock.patch.object(runner, "encode", side_effect=AssertionError("asked again")):
                kept = cache.get(slices[0].hu)
            self.assertFalse([path for path in scratch.rglob("*") if "p0" in path.name], "named after a patient")
        self.assertEqual(kept["embedding"].shape, (64, SIZE // 4, SIZE // 4))
        self.assertEqual(kept["skip"].shape, (16, SIZE // 2, SIZE // 2))

    def test_a_bundle_that_nobody_could_install_and_cases_without_a_liver_are_refused_before_training(self):
        with self.assertRaisesRegex(ValueError, "numbers with dots"):
            tune.Wanted("liver-tumour", "1.3.1+tuned")
        nothing = Slice(*np.zeros((2, SIZE, SIZE)), "a", "a_1")
        with self.assertRaisesRegex(ValueError, "no held-out slice"):
            tune.tune(BUNDLE, [nothing], [nothing], Path("out"), Path("scratch"), tune.Wanted("liver-tumour"))


if __name__ == "__main__":
    unittest.main()
