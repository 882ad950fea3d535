"""Is this picture what the segmentation shows, and does it say what it is?

    check_sc.py PICTURE SEG SOURCE_DIR

dciodvfy must find no error; the coloured pixels must be outlines of the SEG's segments in the slice
that the picture names; the slice must show through everywhere else; and words must stand below it.
One line a broken rule, exit code 1 if there is any.
"""

import sys
from pathlib import Path

import highdicom
import numpy as np
import pydicom

import validator

COLOURS = {1: (221, 130, 101), 2: (255, 0, 200)}


def shown_slice(picture: pydicom.Dataset, sources: list[pydicom.Dataset]) -> pydicom.Dataset:
    [named] = picture.SourceImageSequence
    [slice_] = [s for s in sources if s.SOPInstanceUID == named.ReferencedSOPInstanceUID]
    return slice_


def mask(seg: highdicom.seg.Segmentation, segment: int, slice_: pydicom.Dataset) -> np.ndarray:
    pixels = seg.get_pixels_by_source_instance(
        [slice_.SOPInstanceUID],
        segment_numbers=[segment],
        ignore_spatial_locations=True,
        assert_missing_frames_are_empty=True,
    )
    return pixels[0, ..., 0].astype(bool)


def outline(mask: np.ndarray) -> np.ndarray:
    wide = np.pad(mask, 1)
    inside = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return mask & ~inside


def window(slice_: pydicom.Dataset) -> np.ndarray:
    """Level 40, width 400 HU, as eight bits."""
    hu = slice_.pixel_array * float(slice_.RescaleSlope) + float(slice_.RescaleIntercept)
    return (np.clip((hu + 160) / 400, 0, 1) * 255).astype(np.uint8)


def check(picture_path: Path, seg_path: Path, source_path: Path) -> list[str]:
    picture = pydicom.dcmread(picture_path)
    seg = highdicom.seg.segread(seg_path)
    sources = [pydicom.dcmread(path) for path in sorted(source_path.iterdir())]
    slice_ = shown_slice(picture, sources)
    pixels = picture.pixel_array
    broken = [f"dciodvfy: {line}" for line in validator.errors(picture_path)]

    image, band = pixels[: slice_.Rows], pixels[slice_.Rows :]
    drawn = np.zeros(image.shape[:2], bool)
    for segment, colour in COLOURS.items():
        expected = outline(mask(seg, segment, slice_))
        found = (image == colour).all(axis=-1)
        if (found != expected).any():
            broken.append(f"segment {segment}: {found.sum()} pixels drawn, {expected.sum()} expected")
        drawn |= expected
    if not drawn.any():
        broken.append("nothing is drawn")
    if (image[~drawn] != window(slice_)[~drawn][:, None]).any():
        broken.append("the slice does not show through")
    if not 0.02 < (band > 0).mean() < 0.5:
        broken.append("no words stand below the slice")
    for words in ("not for diagnosis", "liver-tumour"):
        if words not in picture.DerivationDescription:
            broken.append(f"it does not say {words!r}")
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
        if picture.get(keyword) != slice_.get(keyword):
            broken.append(f"{keyword} is {picture.get(keyword)}, not {slice_.get(keyword)}")
    return broken


def main(arguments: list[str]) -> int:
    broken = check(*map(Path, arguments))
    print("\n".join(broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
