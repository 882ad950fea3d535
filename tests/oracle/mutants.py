"""Does the oracle see what it is there to see?

    mutants.py SEG LABELS.npy SOURCE_DIR

Breaks a correct SEG in the ways that objects in the field were found broken, most of which no
validator reports, and demands that check_seg finds each, and finds nothing in a copy that is only
written again. One line a mutant, exit code 1 if any survives.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pydicom

from check_seg import check


def bits_run_from_the_top(seg):
    bits = np.unpackbits(np.frombuffer(seg.PixelData, dtype=np.uint8), bitorder="little")
    seg.PixelData = np.packbits(bits, bitorder="big").tobytes()


def frames_begin_on_a_byte(seg):
    frames, size = int(seg.NumberOfFrames), seg.Rows * seg.Columns
    bits = np.unpackbits(np.frombuffer(seg.PixelData, dtype=np.uint8), bitorder="little")
    rows = np.packbits(bits[: frames * size].reshape(frames, size), axis=1, bitorder="little")
    seg.PixelData = rows.tobytes() + b"\0" * (rows.size % 2)


def rows_are_mirrored(seg):
    frames, shape = int(seg.NumberOfFrames), (seg.Rows, seg.Columns)
    bits = np.unpackbits(np.frombuffer(seg.PixelData, dtype=np.uint8), bitorder="little")
    planes = bits[: frames * shape[0] * shape[1]].reshape(frames, *shape)[:, :, ::-1]
    packed = np.packbits(planes.reshape(-1), bitorder="little").tobytes()
    seg.PixelData = packed + b"\0" * (len(packed) % 2)


def dimension_indices_are_all_one(seg):
    for frame in seg.PerFrameFunctionalGroupsSequence:
        frame.FrameContentSequence[0].DimensionIndexValues = [1, 1]


def ranks_begin_at_zero(seg):
    for frame in seg.PerFrameFunctionalGroupsSequence:
        segment, rank = frame.FrameContentSequence[0].DimensionIndexValues
        frame.FrameContentSequence[0].DimensionIndexValues = [segment, rank - 1]


def frames_name_no_source(seg):
    for frame in seg.PerFrameFunctionalGroupsSequence:
        frame.DerivationImageSequence = []


def frames_name_the_next_source(seg):
    frames = seg.PerFrameFunctionalGroupsSequence
    named = [frame.DerivationImageSequence for frame in frames]
    for frame, derivation in zip(frames, named[1:] + named[:1]):
        frame.DerivationImageSequence = derivation


def a_slice_lies_where_the_next_does(seg):
    first, second, *_ = seg.PerFrameFunctionalGroupsSequence
    first.PlanePositionSequence = second.PlanePositionSequence


def positions_are_printed_anew(seg):
    for frame in seg.PerFrameFunctionalGroupsSequence:
        plane = frame.PlanePositionSequence[0]
        plane.ImagePositionPatient = [f"{float(v):.6f}" for v in plane.ImagePositionPatient]


def spacing_is_the_thickness_of_two(seg):
    seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = 5


def pixel_measures_are_missing(seg):
    del seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence


def frame_of_reference_is_missing(seg):
    del seg.FrameOfReferenceUID


def referenced_series_is_missing(seg):
    del seg.ReferencedSeriesSequence


def one_source_is_not_referenced(seg):
    del seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence[-1]


def an_empty_frame_inside_is_left_out(seg):
    keep = [at for at in range(int(seg.NumberOfFrames)) if at != 1]
    frames, size = int(seg.NumberOfFrames), seg.Rows * seg.Columns
    bits = np.unpackbits(np.frombuffer(seg.PixelData, dtype=np.uint8), bitorder="little")
    planes = bits[: frames * size].reshape(frames, size)[keep]
    packed = np.packbits(planes.reshape(-1), bitorder="little").tobytes()
    seg.PixelData = packed + b"\0" * (len(packed) % 2)
    seg.PerFrameFunctionalGroupsSequence = [seg.PerFrameFunctionalGroupsSequence[at] for at in keep]
    seg.NumberOfFrames = len(keep)


def segment_numbers_are_swapped(seg):
    for frame in seg.PerFrameFunctionalGroupsSequence:
        item = frame.SegmentIdentificationSequence[0]
        item.ReferencedSegmentNumber = 3 - item.ReferencedSegmentNumber


def the_patient_is_re_spelled(seg):
    seg.PatientID = seg.PatientID.strip().upper()


def the_label_is_lower_case(seg):
    seg.ContentLabel = "liver seg"


def nothing_says_not_for_diagnosis(seg):
    seg.SeriesDescription = "Liver"


MUTATIONS = [
    mutation
    for name, mutation in list(globals().items())
    if callable(mutation) and getattr(mutation, "__module__", "") == __name__
]  # everything defined above


def main(arguments: list[str]) -> int:
    seg_path, labels_path, source_path = (Path(argument) for argument in arguments)
    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        for mutation in [unchanged, *MUTATIONS]:
            seg = pydicom.dcmread(seg_path)
            mutation(seg)
            mutant = Path(directory) / f"{mutation.__name__}.dcm"
            seg.save_as(mutant)
            broken = check(mutant, labels_path, source_path)
            as_expected = bool(broken) == (mutation is not unchanged)
            wrong += not as_expected
            print("ok   " if as_expected else "WRONG", mutation.__name__, *broken[:1])
    return int(wrong > 0)


def unchanged(seg):
    pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
