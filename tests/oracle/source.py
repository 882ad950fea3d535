"""The CT series under a mask, read with pydicom."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom


@dataclass
class Slice:
    """One source frame."""

    sop_class: str
    sop_instance: str
    frame_number: int | None  # from 1; None where the instance is not multi-frame
    position: list[str]  # decimal strings as written
    orientation: list[str]
    pixel_spacing: list[str]
    thickness: str


class SourceSeries:
    """Slices ordered by their place along the normal."""

    def __init__(self, directory: Path):
        files = sorted(path for path in directory.iterdir() if path.is_file())
        self.instances = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
        self.files = files
        first = self.instances[0]
        self.rows, self.columns = first.Rows, first.Columns
        slices = [piece for instance in self.instances for piece in slices_of(instance)]
        self.normal = normal(slices[0].orientation)
        self.slices = sorted(slices, key=lambda piece: self.along(piece.position))

    @property
    def multi_frame(self) -> bool:
        return self.slices[0].frame_number is not None

    def same(self, keyword: str, uid: str) -> bool:
        """Whether a UID is the source's; where the source leaves it empty any will do."""
        theirs = self.instances[0].get(keyword)
        return bool(uid) and (not theirs or uid == theirs)

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.slices), self.rows, self.columns

    def along(self, position) -> float:
        """Where along the normal a position lies, millimetres."""
        return float(np.dot(np.asarray(position, dtype=float), self.normal))

    def slice_at(self, position) -> int:
        """The slice in whose plane a position lies."""
        distances = [abs(self.along(piece.position) - self.along(position)) for piece in self.slices]
        nearest = int(np.argmin(distances))
        if distances[nearest] > 1e-2:
            raise ValueError(f"no source slice within {distances[nearest]:.3f} mm of {position}")
        return nearest


def slices_of(instance: pydicom.Dataset) -> list[Slice]:
    if "PerFrameFunctionalGroupsSequence" not in instance:
        planes = [(instance, instance, instance, None)]
    else:
        shared = instance.SharedFunctionalGroupsSequence[0]
        planes = [
            (
                group(frame, shared, "PlanePositionSequence"),
                group(frame, shared, "PlaneOrientationSequence"),
                group(frame, shared, "PixelMeasuresSequence"),
                number,
            )
            for number, frame in enumerate(instance.PerFrameFunctionalGroupsSequence, 1)
        ]
    return [
        Slice(
            # Anonymisers leave them empty in the data set; the file says them again.
            sop_class=instance.SOPClassUID or instance.file_meta.MediaStorageSOPClassUID,
            sop_instance=instance.SOPInstanceUID or instance.file_meta.MediaStorageSOPInstanceUID,
            frame_number=number,
            position=written(position, "ImagePositionPatient"),
            orientation=written(orientation, "ImageOrientationPatient"),
            pixel_spacing=written(measures, "PixelSpacing"),
            thickness=written(measures, "SliceThickness")[0],
        )
        for position, orientation, measures, number in planes
    ]


def group(frame, shared, name: str):
    return (frame if name in frame else shared)[name][0]


def written(item, keyword: str) -> list[str]:
    """The values of a decimal string as they stand in the file."""
    value = item[keyword].value
    values = value if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]
    return [getattr(number, "original_string", str(number)) for number in values]


def normal(orientation) -> np.ndarray:
    cosines = np.asarray(orientation, dtype=float)
    return np.cross(cosines[:3], cosines[3:])
