"""Three readers of a SEG that share no code: ours (NumPy), dcmqi (DCMTK, ITK) and highdicom.

Each takes a SEG and its source and gives {segment number: bool [slice,row,column]} on the grid of
the source, every frame placed by its position.
"""

import gzip
import subprocess
import sys
import tempfile
from pathlib import Path

import highdicom
import numpy as np
import pydicom

from source import SourceSeries


def bits(path: Path, source: SourceSeries) -> dict[int, np.ndarray]:
    """By the letter of PS3.5 section 8: least significant bit first, frames without gaps."""
    seg = pydicom.dcmread(path)
    frames, size = int(seg.NumberOfFrames), seg.Rows * seg.Columns
    unpacked = np.unpackbits(np.frombuffer(seg.PixelData, dtype=np.uint8), bitorder="little")
    if len(seg.PixelData) != (frames * size + 15) // 16 * 2:
        raise ValueError(f"{len(seg.PixelData)} bytes for {frames} frames of {size} bits")
    if unpacked[frames * size :].any():
        raise ValueError("bits behind the last frame are set")
    masks = empty_masks(seg, source)
    for at, frame in enumerate(seg.PerFrameFunctionalGroupsSequence):
        segment = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        place = source.slice_at(frame.PlanePositionSequence[0].ImagePositionPatient)
        plane = unpacked[at * size : (at + 1) * size].reshape(seg.Rows, seg.Columns)
        masks[segment][place] = plane.astype(bool)
    return masks


def dcmqi(path: Path, source: SourceSeries) -> dict[int, np.ndarray]:
    """What 3D Slicer shows: an ITK image for each segment that has frames, placed by its geometry.

    Such an image cannot be sheared. dcmqi ignores the shift of a tilted gantry in one direction and
    refuses it in the other ("outside image geometry"), so it is given a copy without the shift.
    """
    seg = pydicom.dcmread(path)
    masks = empty_masks(seg, source)
    with tempfile.TemporaryDirectory() as directory:
        upright = Path(directory) / "upright.dcm"
        stand_up(seg, source)
        seg.save_as(upright)
        command = [
            str(Path(sys.executable).parent / "segimage2itkimage"),
            "--inputDICOM",
            str(upright),
            "--outputDirectory",
            directory,
            "--prefix",
            "segment",
        ]
        run = subprocess.run(command, capture_output=True, text=True)
        complaints = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
        if run.returncode or complaints:
            raise RuntimeError(f"exit code {run.returncode}, {complaints}")
        used = {
            frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            for frame in seg.PerFrameFunctionalGroupsSequence
        }
        for segment in sorted(used):
            voxels, origin, step = read_nrrd(Path(directory) / f"segment-{segment}.nrrd")
            for z, plane in enumerate(voxels):
                if plane.any():
                    masks[segment][source.slice_at(origin + z * step)] |= plane.astype(bool)
    return masks


def highdicom_reader(path: Path, source: SourceSeries) -> dict[int, np.ndarray]:
    """By the source images that the frames name."""
    seg = highdicom.seg.segread(path)
    numbers = list(seg.segment_numbers)
    options = {"segment_numbers": numbers, "assert_missing_frames_are_empty": True}
    if source.multi_frame:
        pixels = seg.get_pixels_by_source_frame(
            source_sop_instance_uid=source.slices[0].sop_instance,
            source_frame_numbers=[piece.frame_number for piece in source.slices],
            **options,
        )
    else:
        pixels = seg.get_pixels_by_source_instance(
            source_sop_instance_uids=[piece.sop_instance for piece in source.slices], **options
        )
    return {number: pixels[..., at].astype(bool) for at, number in enumerate(numbers)}


def stand_up(seg: pydicom.Dataset, source: SourceSeries) -> None:
    """Moves every frame within its plane onto the normal through the first source slice."""
    origin = np.array(source.slices[0].position, dtype=float)
    aside = [np.array(piece.position, dtype=float) - origin for piece in source.slices]
    if max(np.linalg.norm(way - (way @ source.normal) * source.normal) for way in aside) < 0.1:
        return
    for frame in seg.PerFrameFunctionalGroupsSequence:
        plane = frame.PlanePositionSequence[0]
        way = np.array(plane.ImagePositionPatient, dtype=float) - origin
        upright = origin + (way @ source.normal) * source.normal
        plane.ImagePositionPatient = [f"{value:.6f}" for value in upright]


def empty_masks(seg: pydicom.Dataset, source: SourceSeries) -> dict[int, np.ndarray]:
    numbers = [item.SegmentNumber for item in seg.SegmentSequence]
    return {number: np.zeros(source.shape, dtype=bool) for number in numbers}


def read_nrrd(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxels [slice,row,column], LPS position of the first, and the step between slices."""
    header, _, data = path.read_bytes().partition(b"\n\n")
    fields = dict(line.split(": ", 1) for line in header.decode().splitlines() if ": " in line)
    assert fields["space"] == "left-posterior-superior", fields["space"]
    types = {"short": "<i2", "unsigned short": "<u2", "unsigned char": "u1", "uint8": "u1", "int16": "<i2"}
    raw = gzip.decompress(data) if fields["encoding"] == "gzip" else data
    sizes = [int(size) for size in fields["sizes"].split()]
    voxels = np.frombuffer(raw, dtype=types[fields["type"]]).reshape(sizes[::-1])
    vectors = [vector(text) for text in fields["space directions"].split()]
    return voxels, vector(fields["space origin"]), vectors[2]


def vector(text: str) -> np.ndarray:
    return np.array([float(number) for number in text.strip("()").split(",")])


ALL = [bits, dcmqi, highdicom_reader]
