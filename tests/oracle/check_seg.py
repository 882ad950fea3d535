"""Does this SEG show these labels on this series, in every reader?

    check_seg.py SEG LABELS.npy SOURCE_DIR [SEG LABELS.npy SOURCE_DIR ...]

LABELS.npy is u8 [slice,row,column], slices by their place along the normal of the source planes;
label n is segment n. For each triple: dciodvfy must find no error; dcmqi, highdicom and a reader
of our own must give back every segment bit for bit; and the object must keep the rules that no
validator checks. One line a rule that is broken, one line a SEG, exit code 1 if any is broken.
"""

import sys
from pathlib import Path

import numpy as np
import pydicom

import readers
import rules
import validator
from source import SourceSeries


def check(seg_path: Path, labels_path: Path, source_path: Path) -> list[str]:
    """The broken rules, in words."""
    labels = np.load(labels_path)
    source = SourceSeries(source_path)
    seg = pydicom.dcmread(seg_path)
    if labels.shape != source.shape:
        return [f"labels are {labels.shape}, the source is {source.shape}"]

    broken = [f"dciodvfy: {line}" for line in validator.errors(seg_path)]
    for rule in rules.ALL:
        broken += attempt(rule.__name__, lambda: rule(seg, source, labels))
    for reader in readers.ALL:
        broken += attempt(reader.__name__, lambda: difference(reader(seg_path, source), labels))
    return broken


def attempt(name: str, problems) -> list[str]:
    """A rule or reader that gives up is a finding, whatever it raises."""
    try:
        return [f"{name}: {problem}" for problem in problems()]
    except Exception as failure:
        return [f"{name}: {type(failure).__name__}: {failure}"]


def difference(masks: dict[int, np.ndarray], labels: np.ndarray) -> list[str]:
    """What distinguishes the masks that were read from the labels that were drawn."""
    problems = []
    for segment in sorted(set(masks) | set(np.unique(labels)) - {0}):
        truth = labels == segment
        mask = masks.get(segment, np.zeros_like(truth))
        wrong = np.argwhere(mask != truth)
        if len(wrong):
            where = ", ".join(map(str, wrong[:3].tolist()))
            problems.append(f"segment {segment}: {len(wrong)} voxels differ, e.g. {where}")
    return problems


def main(arguments: list[str]) -> int:
    if not arguments or len(arguments) % 3:
        print(__doc__, file=sys.stderr)
        return 64
    failed = False
    paths = [Path(argument) for argument in arguments]
    for seg_path, labels_path, source_path in zip(*[iter(paths)] * 3):
        broken = check(seg_path, labels_path, source_path)
        failed |= bool(broken)
        print("BROKEN" if broken else "ok    ", seg_path)
        for problem in broken:
            print("   ", problem)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
