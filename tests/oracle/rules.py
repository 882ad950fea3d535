"""What viewers need and no validator checks.

Each rule takes the SEG, its source and its labels, and gives what is broken, in words.
"""

import numpy as np
import pydicom

from source import SourceSeries, written

Problems = list[str]


def frames_are_sorted_and_ranked(seg, source, labels) -> Problems:
    """By segment, then along the normal; the second index ranks the positions in use from 1."""
    indices = [
        tuple(frame.FrameContentSequence[0].DimensionIndexValues)
        for frame in seg.PerFrameFunctionalGroupsSequence
    ]
    places = [place(frame, source) for frame in seg.PerFrameFunctionalGroupsSequence]
    segments = [segment(frame) for frame in seg.PerFrameFunctionalGroupsSequence]
    rank = {used: at for at, used in enumerate(sorted(set(places)), 1)}
    expected = [(number, rank[at]) for number, at in zip(segments, places)]
    problems = []
    if indices != expected:
        problems.append(f"DimensionIndexValues are {indices}, not {expected}")
    if indices != sorted(set(indices)):
        problems.append("frames are not in the order of their index, or one is there twice")
    if len(indices) != seg.NumberOfFrames:
        problems.append(f"{len(indices)} frames are described, {seg.NumberOfFrames} announced")
    pointers = [(item.DimensionIndexPointer, item.FunctionalGroupPointer) for item in seg.DimensionIndexSequence]
    if pointers != [(0x0062000B, 0x0062000A), (0x00200032, 0x00209113)]:
        problems.append(f"dimensions point to {pointers}")
    return problems


def segments_run_from_first_to_last_slice(seg, source, labels) -> Problems:
    """No hole inside a segment, nothing outside, an empty segment without frames."""
    found = {}
    for frame in seg.PerFrameFunctionalGroupsSequence:
        found.setdefault(segment(frame), []).append(place(frame, source))
    expected = {}
    for number in (item.SegmentNumber for item in seg.SegmentSequence):
        slices = np.flatnonzero((labels == number).any(axis=(1, 2)))
        if len(slices):
            expected[number] = list(range(slices[0], slices[-1] + 1))
    expected = expected or {1: list(range(len(source.slices)))}
    return [] if found == expected else [f"frames are at {found}, not at {expected}"]


def every_frame_names_its_source(seg, source, labels) -> Problems:
    """Exactly one image, the one in whose plane the frame lies."""
    problems = []
    for number, frame in enumerate(seg.PerFrameFunctionalGroupsSequence, 1):
        [derivation] = frame.DerivationImageSequence
        [image] = derivation.SourceImageSequence
        expected = source.slices[place(frame, source)]
        named = (image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID, image.get("ReferencedFrameNumber"))
        if named != (expected.sop_class, expected.sop_instance, expected.frame_number):
            problems.append(f"frame {number} names {named}, it lies on {expected}")
        if image.SpatialLocationsPreserved != "YES":
            problems.append(f"frame {number} does not say that locations are preserved")
        purpose, kind = image.PurposeOfReferenceCodeSequence[0], derivation.DerivationCodeSequence[0]
        if (purpose.CodeValue, kind.CodeValue) != ("121322", "113076"):
            problems.append(f"frame {number} has codes {purpose.CodeValue} and {kind.CodeValue}")
    return problems


def geometry_is_repeated_as_written(seg, source, labels) -> Problems:
    """The sender's digits; and the distance between slices that its positions tell."""
    problems = []
    shared = seg.SharedFunctionalGroupsSequence[0]
    measures = shared.PixelMeasuresSequence[0]
    first = source.slices[0]
    for keyword, item, expected in [
        ("ImageOrientationPatient", shared.PlaneOrientationSequence[0], first.orientation),
        ("PixelSpacing", measures, first.pixel_spacing),
        ("SliceThickness", measures, [first.thickness]),
    ]:
        if written(item, keyword) != expected:
            problems.append(f"{keyword} is {written(item, keyword)}, not {expected}")
    for number, frame in enumerate(seg.PerFrameFunctionalGroupsSequence, 1):
        position = written(frame.PlanePositionSequence[0], "ImagePositionPatient")
        expected = source.slices[place(frame, source)].position
        if position != expected:
            problems.append(f"frame {number} is at {position}, not at {expected}")
    steps = np.diff([source.along(piece.position) for piece in source.slices])
    if abs(float(measures.SpacingBetweenSlices) - np.median(steps)) > 1e-3:
        problems.append(f"SpacingBetweenSlices is {measures.SpacingBetweenSlices}, steps are {steps}")
    return problems


def the_whole_series_is_referenced(seg, source, labels) -> Problems:
    expected = {piece.sop_instance for piece in source.slices}
    [series] = seg.ReferencedSeriesSequence
    in_series = [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence]
    as_source = [item.ReferencedSOPInstanceUID for item in seg.SourceImageSequence]
    problems = []
    if not source.same("SeriesInstanceUID", series.SeriesInstanceUID):
        problems.append("ReferencedSeriesSequence names another series")
    for name, named in [("ReferencedSeriesSequence", in_series), ("SourceImageSequence", as_source)]:
        if set(named) != expected or len(named) != len(expected):
            problems.append(f"{name} names {len(named)} instances, the source has {len(expected)}")
    return problems


def patient_and_study_are_the_sources(seg, source, labels) -> Problems:
    """Byte for byte where the source has the attribute; type 2 ones are there in any case."""
    theirs, problems = source.instances[0], []
    for keyword in TYPE_2:
        if keyword not in seg:
            problems.append(f"{keyword} is absent")
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if not source.same(keyword, seg[keyword].value):
            problems.append(f"{keyword} is {seg[keyword].value}, not {theirs[keyword].value}")
    for keyword in TYPE_2 + OTHERS:
        if keyword in theirs and raw(theirs, keyword) != raw(seg, keyword):
            problems.append(f"{keyword} is {raw(seg, keyword)}, not {raw(theirs, keyword)}")
    if raw(seg, "SpecificCharacterSet") != (raw(theirs, "SpecificCharacterSet") or None):
        problems.append(f"SpecificCharacterSet is {raw(seg, 'SpecificCharacterSet')}")
    if "ProcedureCodeSequence" in theirs and seg.get("ProcedureCodeSequence") != theirs.ProcedureCodeSequence:
        problems.append("ProcedureCodeSequence is not the source's")
    lossy = theirs.get("LossyImageCompression", "00")
    if seg.LossyImageCompression != lossy:
        problems.append(f"LossyImageCompression is {seg.LossyImageCompression}, not {lossy}")
    return problems


def it_says_what_made_it_and_that_it_is_no_diagnosis(seg, source, labels) -> Problems:
    problems = []
    for keyword in ("SeriesDescription", "ContentDescription"):
        if "not for diagnosis" not in seg[keyword].value.lower():
            problems.append(f"{keyword} does not say that it is not for diagnosis")
    for item in seg.SegmentSequence:
        [algorithm] = item.SegmentationAlgorithmIdentificationSequence
        if not (algorithm.AlgorithmName and algorithm.AlgorithmVersion and item.SegmentAlgorithmName):
            problems.append(f"segment {item.SegmentNumber} does not name its model")
    purposes = [
        item.PurposeOfReferenceCodeSequence[0].CodeValue for item in seg.ContributingEquipmentSequence
    ]
    if purposes[-1] != "109102" or ("Manufacturer" in source.instances[0] and "109101" not in purposes):
        problems.append(f"contributing equipment has the purposes {purposes}")
    return problems


def the_image_is_as_viewers_expect(seg, source, labels) -> Problems:
    """Grid, encoding and series, value by value."""
    expected = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4",
        "Modality": "SEG",
        "SegmentationType": "BINARY",
        "SegmentsOverlap": "NO",
        "BitsAllocated": 1,
        "BitsStored": 1,
        "HighBit": 0,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": source.rows,
        "Columns": source.columns,
        "InstanceNumber": 1,
    }
    problems = [
        f"{keyword} is {seg[keyword].value}, not {value}"
        for keyword, value in expected.items()
        if seg[keyword].value != value
    ]
    if seg.file_meta.TransferSyntaxUID != pydicom.uid.ExplicitVRLittleEndian:
        problems.append(f"the transfer syntax is {seg.file_meta.TransferSyntaxUID.name}")
    if seg.file_meta.MediaStorageSOPInstanceUID != seg.SOPInstanceUID:
        problems.append("the file meta information names another instance")
    if seg.SeriesInstanceUID == source.instances[0].SeriesInstanceUID:
        problems.append("it is in the series of the source")
    if (seg.get("SeriesDate", ""), seg.get("SeriesTime", "")) > (seg.ContentDate, seg.ContentTime):
        problems.append("the series is later than its content")
    return problems


def place(frame, source: SourceSeries) -> int:
    return source.slice_at(frame.PlanePositionSequence[0].ImagePositionPatient)


def segment(frame) -> int:
    return frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber


def raw(dataset, keyword: str) -> bytes | None:
    """The value as it stands in the file, without the padding; whatever the character set."""
    element = dataset.get_item(keyword)
    if element is None:
        return None
    value = element.value or b""  # an empty value reads as None, b"" or ""
    return value.rstrip(b" \0") if isinstance(value, bytes) else value


TYPE_2 = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PositionReferenceIndicator",
]
OTHERS = [
    "PatientAge",
    "PatientWeight",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "StudyDescription",
    "BodyPartExamined",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
]

ALL = [
    frames_are_sorted_and_ranked,
    segments_run_from_first_to_last_slice,
    every_frame_names_its_source,
    geometry_is_repeated_as_written,
    the_whole_series_is_referenced,
    patient_and_study_are_the_sources,
    it_says_what_made_it_and_that_it_is_no_diagnosis,
    the_image_is_as_viewers_expect,
]
