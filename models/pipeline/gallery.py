"""Where the appliance fails, to be looked at: the worst slices of synthetic series, in one picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pydicom
from scipy import ndimage

from .data import BACKGROUND, TUMOUR

matplotlib.use("Agg")
from matplotlib import pyplot

EACH = 2
"""Panels of one kind of failure, each of another series."""
WINDOW = (-60, 200)
TRUTH, FOUND = "#34d399", "#f472b6"
CORNERS = np.ones((3, 3, 3))


@dataclass(frozen=True)
class Failure:
    """A slice of a series, with what is wrong there, in the measure by which failures are ranked."""

    kind: str
    words: str
    worst: float
    series: Path
    segmented: Path
    slice: int


def draw(cases: list[tuple[Path, Path]], out: Path) -> str:
    """Writes the picture; `cases` are series with truth and the folders of what was made of them.

    Returns the paragraph that explains it.
    """
    failures = [failure for series, segmented in cases for failure in _failures(series, segmented)]
    shown = []
    for kind in dict.fromkeys(failure.kind for failure in failures):
        shown += sorted((one for one in failures if one.kind == kind), key=lambda one: -one.worst)[:EACH]
    columns = -(-len(shown) // EACH)
    figure, axes = pyplot.subplots(EACH, columns, figsize=(3.2 * columns, 3.5 * EACH), squeeze=False)
    for panel in axes.flat:
        panel.axis("off")
    for number, failure in enumerate(shown):
        _panel(axes[number % EACH][number // EACH], failure)
    figure.tight_layout()
    figure.savefig(out, dpi=80, metadata={"Software": None})
    pyplot.close(figure)
    return (
        f"![failures]({out.name})\n\nThe worst of each kind among {len(cases)} synthetic series: truth green, what was found "
        "pink; the liver thin, tumours thick. A series without liver is shown as the network and post-processing left "
        "it; the gates refuse it."
    )


def _failures(series: Path, segmented: Path) -> Iterator[Failure]:
    truth, found = (np.load(folder / "labels.npy") for folder in (series, segmented))
    slices = _slices(series)
    row_mm, column_mm = (float(mm) for mm in slices[0].PixelSpacing)
    apart = abs(float(slices[1].ImagePositionPatient[2]) - float(slices[0].ImagePositionPatient[2]))
    pixel_cm2 = row_mm * column_mm / 100

    def failure(kind: str, words: str, worst: float, number: int) -> Failure:
        return Failure(kind, words, worst, series, segmented, number)

    for kind, those, others in (("missed tumour", truth, found), ("tumour where there is none", found, truth)):
        components, count = ndimage.label(those == TUMOUR, CORNERS)
        touched = set(np.unique(components[others == TUMOUR]))
        lone = [number for number in range(1, count + 1) if number not in touched]
        if lone:
            sizes = ndimage.sum_labels(np.ones_like(components), components, lone)
            largest = lone[int(np.argmax(sizes))]
            ml = float(max(sizes)) * pixel_cm2 * apart / 10
            middle = int(np.argmax((components == largest).sum((1, 2))))
            yield failure(kind, f"{kind}, {ml:.1f} ml", ml, middle)
    has_liver = (truth != BACKGROUND).any()
    called = (found != BACKGROUND) & (truth == BACKGROUND)
    missed = (found == BACKGROUND) & (truth != BACKGROUND)
    for kind, wrong in (("liver missed", missed), ("called liver" if has_liver else "no liver at all", called)):
        areas = wrong.sum((1, 2)) * pixel_cm2
        if areas.max() > 0:
            yield failure(kind, f"{kind}, {areas.max():.0f} cm²", float(areas.max()), int(np.argmax(areas)))


def _slices(series: Path) -> list[pydicom.Dataset]:
    """In the order of labels.npy: along the normal."""
    slices = [pydicom.dcmread(path) for path in series.glob("*.dcm")]
    return sorted(slices, key=lambda one: float(one.ImagePositionPatient[2]))


def _panel(panel: pyplot.Axes, failure: Failure) -> None:
    image = _slices(failure.series)[failure.slice]
    hu = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
    panel.imshow(hu, cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1])
    for folder, colour in ((failure.series, TRUTH), (failure.segmented, FOUND)):
        labels = np.load(folder / "labels.npy", mmap_mode="r")[failure.slice]
        for mask, width in ((labels != BACKGROUND, 0.7), (labels == TUMOUR, 1.6)):
            if mask.any():
                panel.contour(mask, levels=[0.5], colors=[colour], linewidths=width)
    panel.set_title(failure.words, fontsize=9)
