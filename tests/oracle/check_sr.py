"""Does this report say what these labels measure, to every reader?

    check_sr.py SR SEG LABELS.npy SOURCE_DIR [SR SEG LABELS.npy SOURCE_DIR ...]

For each four: dciodvfy must find no error; dcmqi and highdicom must each read every measurement
group, with the volumes, counts and references that follow from the labels and the source. One line
a broken rule, exit code 1 if there is any.
"""

import json
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import highdicom
import numpy as np
import pydicom

import validator
from check_seg import attempt
from source import SourceSeries

VOLUME, COUNT, LONG_AXIS = "118565006", "246206008", "103339001"


def expected_groups(labels: np.ndarray, source: SourceSeries) -> list[dict]:
    """Segment and cubic millimetres of each group, in order; and how many lesions there are."""
    steps = np.diff([source.along(piece.position) for piece in source.slices])
    pixel = np.prod([float(text) for text in source.slices[0].pixel_spacing])
    voxel = float(np.median(steps) * pixel)
    lesions = sorted(components(labels == 2), reverse=True)
    groups = [
        {"segment": 1, "mm3": (labels == 1).sum() * voxel},
        {"segment": 2, "mm3": sum(lesions) * voxel, "count": len(lesions)},
    ]
    return groups + [{"segment": 2, "mm3": size * voxel} for size in lesions]


def components(mask: np.ndarray) -> list[int]:
    """Sizes of what hangs together, corners included."""
    left = set(map(tuple, np.argwhere(mask).tolist()))
    around = list(product((-1, 0, 1), repeat=3))
    sizes = []
    while left:
        front, size = [left.pop()], 0
        while front:
            voxel, size = front.pop(), size + 1
            near = [tuple(np.add(voxel, way).tolist()) for way in around]
            front += [other for other in near if other in left]
            left.difference_update(near)
        sizes.append(size)
    return sizes


def read_by_highdicom(path: Path) -> list[dict]:
    report = highdicom.sr.srread(path)
    groups = []
    for group in report.content.get_volumetric_roi_measurement_groups():
        values = [(m.name.value, m.unit.value, float(m.value)) for m in group.get_measurements()]
        [image] = [item for item in group.referenced_segment if item.name.value == "121191"]
        reference = image.ReferencedSOPSequence[0]
        groups.append(
            {
                "segment": reference.ReferencedSegmentNumber,
                "seg": reference.ReferencedSOPInstanceUID,
                "tracking": group.tracking_uid,
                "values": values,
            }
        )
    return groups


def read_by_dcmqi(path: Path) -> list[dict]:
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "report.json"
        command = [
            str(Path(sys.executable).parent / "tid1500reader"),
            "--inputDICOM",
            str(path),
            "--outputMetadata",
            str(output),
        ]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode or not output.exists():
            raise RuntimeError(run.stdout + run.stderr)
        report = json.loads(output.read_text())
    return [
        {
            "segment": int(group["ReferencedSegment"]),
            "seg": group["segmentationSOPInstanceUID"],
            "tracking": group["TrackingUniqueIdentifier"],
            "values": [
                (item["quantity"]["CodeValue"], item["units"]["CodeValue"], float(item["value"]))
                for item in group["measurementItems"]
            ],
        }
        for group in report["Measurements"]
    ]


def compare(groups: list[dict], expected: list[dict], seg: pydicom.Dataset) -> list[str]:
    if len(groups) != len(expected):
        return [f"{len(groups)} measurement groups, {len(expected)} are expected"]
    problems = []
    for number, (group, truth) in enumerate(zip(groups, expected), 1):
        said = {(name, unit): value for name, unit, value in group["values"]}
        checks = {
            "segment": (group["segment"], truth["segment"]),
            "segmentation": (group["seg"], seg.SOPInstanceUID),
            "mm3": (said.get((VOLUME, "mm3")), truth["mm3"]),
            "cm3": (said.get((VOLUME, "cm3")), truth["mm3"] / 1000),
        }
        if "count" in truth:
            checks["count"] = (said.get((COUNT, "1")), truth["count"])
        elif number > 2 and not said.get((LONG_AXIS, "mm"), 0) > 0:
            problems.append(f"group {number} has no long axis: {said}")
        for what, (found, wanted) in checks.items():
            exact = isinstance(wanted, str) or what in ("segment", "count")
            if found is None or (found != wanted if exact else abs(found - wanted) > 1):
                problems.append(f"group {number}: {what} is {found}, not {wanted}")
    trackings = [group["tracking"] for group in groups]
    in_seg = [item.TrackingUID for item in seg.SegmentSequence]
    if trackings[:2] != in_seg or len(set(trackings)) != len(trackings):
        problems.append(f"tracking UIDs are {trackings}, those of the segments {in_seg}")
    return problems


def document(report: pydicom.Dataset, seg: pydicom.Dataset, source: SourceSeries) -> list[str]:
    """Whose it is, what it stands on, and that nobody has verified it."""
    [study] = report.CurrentRequestedProcedureEvidenceSequence
    named = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    checks = {
        "evidence": (named, {seg.SOPInstanceUID} | {piece.sop_instance for piece in source.slices}),
        "study": (source.same("StudyInstanceUID", report.StudyInstanceUID), True),
        "study of the evidence": (study.StudyInstanceUID, report.StudyInstanceUID),
        "patient": (report.get_item("PatientName").value, seg.get_item("PatientName").value),
        "completion": (report.CompletionFlag, "COMPLETE"),
        "verification": (report.VerificationFlag, "UNVERIFIED"),
        "preliminary": (report.PreliminaryFlag, "PRELIMINARY"),
        "a series of its own": (report.SeriesInstanceUID in (seg.SeriesInstanceUID, named), False),
        "says it is no diagnosis": ("not for diagnosis" in str(report), True),
    }
    return [f"{what}: {a}, not {b}" for what, (a, b) in checks.items() if a != b]


def check(sr_path: Path, seg_path: Path, labels_path: Path, source_path: Path) -> list[str]:
    labels, source = np.load(labels_path), SourceSeries(source_path)
    report, seg = pydicom.dcmread(sr_path), pydicom.dcmread(seg_path)
    expected = expected_groups(labels, source)
    broken = [f"dciodvfy: {line}" for line in validator.errors(sr_path)]
    broken += attempt("document", lambda: document(report, seg, source))
    for reader in (read_by_highdicom, read_by_dcmqi):
        broken += attempt(reader.__name__, lambda: compare(reader(sr_path), expected, seg))
    return broken


def main(arguments: list[str]) -> int:
    if not arguments or len(arguments) % 4:
        print(__doc__, file=sys.stderr)
        return 64
    failed = False
    for four in zip(*[iter(map(Path, arguments))] * 4):
        broken = check(*four)
        failed |= bool(broken)
        print("BROKEN" if broken else "ok    ", four[0])
        for problem in broken:
            print("   ", problem)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
