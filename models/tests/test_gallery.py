"""The worst slices are found and drawn."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from pipeline import gallery
from pipeline.data import TUMOUR

SLICES, SIDE = 6, 40


def write_series(folder: Path, labels: np.ndarray) -> Path:
    """Slices of one pixel a square centimetre, 10 mm apart, whose file names go downwards."""
    folder.mkdir()
    for number in range(SLICES):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        image = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        image.Rows = image.Columns = SIDE
        image.PixelSpacing, image.ImagePositionPatient = [10, 10], [0, 0, 10 * number]
        image.RescaleSlope, image.RescaleIntercept = 1, -1000
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit, image.PixelRepresentation, image.SamplesPerPixel = 15, 0, 1
        image.PhotometricInterpretation = "MONOCHROME2"
        image.PixelData = np.full((SIDE, SIDE), 1050, np.uint16).tobytes()
        image.save_as(folder / f"{SLICES - number}.dcm", enforce_file_format=True)
    np.save(folder / "labels.npy", labels)
    return folder


class Gallery(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def case(self, name: str, truth: np.ndarray, found: np.ndarray) -> tuple[Path, Path]:
        series = write_series(self.folder / name, truth)
        made = self.folder / f"{name}-made"
        made.mkdir()
        np.save(made / "labels.npy", found)
        return series, made

    def test_each_kind_of_failure_is_found_where_it_is_worst(self) -> None:
        truth = np.zeros((SLICES, SIDE, SIDE), np.uint8)
        truth[1:5, 10:30, 10:30] = 1
        found = truth.copy()
        truth[2, 12:15, 12:15] = TUMOUR
        found[4, 25:27, 25:29] = TUMOUR
        found[1, 10:20, 10:30] = 0
        found[3, 0:3, 0:2] = 1
        failures = {one.kind: one for one in gallery._failures(*self.case("liver", truth, found))}
        self.assertEqual(failures["missed tumour"].slice, 2)
        self.assertAlmostEqual(failures["missed tumour"].worst, 9.0)
        self.assertEqual(failures["tumour where there is none"].slice, 4)
        self.assertAlmostEqual(failures["tumour where there is none"].worst, 8.0)
        self.assertEqual((failures["liver missed"].slice, failures["liver missed"].words), (1, "liver missed, 200 cm²"))
        self.assertEqual((failures["called liver"].slice, failures["called liver"].words), (3, "called liver, 6 cm²"))

    def test_what_is_right_is_no_failure_and_a_series_without_liver_is_named_so(self) -> None:
        nothing = np.zeros((SLICES, SIDE, SIDE), np.uint8)
        self.assertEqual(list(gallery._failures(*self.case("right", nothing, nothing))), [])
        found = nothing.copy()
        found[0, :2, :2] = 1
        case = self.case("limb", nothing, found)
        self.assertEqual([one.kind for one in gallery._failures(*case)], ["no liver at all"])
        picture = self.folder / "failures.png"
        self.assertIn("1 synthetic series", gallery.draw([case], picture))
        with Image.open(picture) as drawn:
            self.assertGreater(min(drawn.size), 100)


if __name__ == "__main__":
    unittest.main()
