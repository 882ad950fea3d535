"""`python -m pipeline.appliance`: what a bundle does inside the appliance, on whole series.

Every figure comes from the `hepar` binary: its engine, its post-processing, its gates, its metrics
(`hepar evaluate`). Phantoms are the appliance's own (`hepar phantom`), whose generator shares no
code with the one that training draws from; patients are the annotated validation slices. The tables
go to measured.md beside the model card, the worst slices into failures.png.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import tomli_w
from pydicom.uid import generate_uid

from . import gallery

PHASES = ("portal-venous", "late-arterial", "native", "delayed")
REGIONS = ("head", "chest", "pelvis", "limb", "cylinder")
FIRST_SEED = 7_000
"""Seeds that neither training, tests nor the demonstration use."""
WITHOUT = {
    "z-smoothing-mm": 0.0, "minimum-view": 0.0, "keep-share-of-largest": 0.0, "fill-holes-cm2": 0.0,
    "closing-mm": 0.0, "lesion-border": 0.0, "minimum-lesion-ml": 0.0, "minimum-lesion-certainty": 0.0,
    "minimum-organ-ml": 0.0,
}
"""Each step of post-processing, and the value that switches it off."""


class Appliance:
    """The binary, and a folder for what it writes."""

    def __init__(self, binary: Path, scratch: Path, arguments: list[str]):
        self.binary, self.scratch, self.arguments = binary, scratch, arguments

    def phantom(self, name: str, *options: str) -> Path:
        """A synthetic series, made once."""
        out = self.scratch / "phantoms" / name
        if not (out / "truth.json").exists():
            self._run("phantom", "--out", str(out), "--rows", "384", "--columns", "384", *options)
        return out

    def evaluate(self, bundle: Path, data: Path, *options: str) -> dict:
        """The report of `hepar evaluate --bundle` as a dictionary."""
        return json.loads(self._run(
            "evaluate", "--json", "--bundle", str(bundle), *options, *self.arguments, str(data)
        ))

    def segmented(self, series: Path) -> Path:
        """Where what is made of a series goes."""
        return self.scratch / "segmented" / series.name.replace(" ", "-")

    def segment(self, bundle: Path, series: Path) -> dict:
        """result.json of one series."""
        out = self.segmented(series)
        self._run("segment", str(series.resolve()), "--out", str(out), "--bundle", str(bundle), *self.arguments)
        return json.loads((out / "result.json").read_text())

    def _run(self, *command: str) -> str:
        done = subprocess.run([self.binary, *command], check=True, capture_output=True, text=True)
        return done.stdout


def good_cases(appliance: Appliance, count: int) -> Path:
    """A folder of abdomens with tumours: phases, spacings and noise in turn."""
    for index in range(count):
        spacing, phase = (2.5, 4.0, 5.0)[index % 3], PHASES[index % len(PHASES)]
        slices = str(int(240 / spacing))
        appliance.phantom(
            f"abdomen-{index:02}", "--seed", str(FIRST_SEED + index), "--phase", phase,
            "--slice-spacing", str(spacing), "--slices", slices, "--tumours", str(2 + index % 4),
            "--noise", str((8, 14, 20)[index % 3]),
        )
    group = appliance.scratch / f"abdomens-{count}"
    shutil.rmtree(group, ignore_errors=True)
    group.mkdir(parents=True)
    for path in sorted((appliance.scratch / "phantoms").glob("abdomen-*"))[:count]:
        (group / path.name).symlink_to(path.resolve(), target_is_directory=True)
    return group


def livers(report: dict) -> str:
    """The table of liver overlap on annotated slices."""
    liver = report["structures"]["liver"]
    dice, pooled = liver["metrics"]["dice"], liver["pooled"]
    patients = {case["patient"] for case in report["cases"]}
    low, high = pooled["interval"]
    return "\n".join([
        f"| liver with tumour, {len(patients)} validation patients, {dice['cases']} slices | Dice |",
        "|---|---|",
        f"| pooled over all pixels | {pooled['dice']:.4f} ({low:.3f} to {high:.3f}) |",
        f"| mean per slice | {dice['mean']:.4f} ({dice['low']:.3f} to {dice['high']:.3f}) |",
        f"| median, worst slice | {dice['median']:.3f}, {dice['worst']:.3f} |",
    ])


def tumours(report: dict) -> str:
    """The tables of liver, tumour and lesions on phantoms."""
    liver, tumour = (report["structures"][name] for name in ("liver", "tumour"))
    per_case = report["tumour_dice_per_case"]
    rows = [
        f"| {liver['metrics']['dice']['cases']} phantoms | |", "|---|---|",
        f"| liver Dice, mean, worst | {liver['metrics']['dice']['mean']:.3f}, {liver['metrics']['dice']['worst']:.3f} |",
        f"| tumour Dice per case, pooled | {per_case['mean']:.3f}, {tumour['pooled']['dice']:.3f} |",
        f"| false lesions per case | {report['false_lesions_per_case']:.2f} |", "",
        "| lesions by diameter | lesions | found (IoU > 0.1) | mean Dice, missed ones 0 |", "|---|---|---|---|",
    ]
    for size in report["lesions_by_size"]:
        if size["lesions"]:
            name = f"{size['from_mm']:.0f} to {size['to_mm']:.0f} mm" if size["to_mm"] else f"above {size['from_mm']:.0f} mm"
            share = size["found"] / size["lesions"]
            rows.append(f"| {name} | {size['lesions']} | {share:.2f} | {size['mean_dice']:.2f} |")
    return "\n".join(rows)


def negatives(appliance: Appliance, good: Path, seeds: int) -> dict[str, list[Path]]:
    """Series without a liver, and series with one whose numbers are not Hounsfield units."""
    kinds = {region: [
        appliance.phantom(
            f"{region}-{index}", "--region", region, "--seed", str(FIRST_SEED + 100 + index),
            "--slices", "48", "--slice-spacing", "5",
        ) for index in range(seeds)
    ] for region in REGIONS}
    sources = sorted(good.iterdir())
    for kind, disguise in DISGUISES.items():
        kinds[kind] = [
            disguised(sources[index % len(sources)], appliance.scratch / "phantoms" / f"{kind}-{index}", disguise, index)
            for index in range(seeds)
        ]
    return kinds


def without_intercept(image: pydicom.Dataset, rng: np.random.Generator) -> None:
    """Stored values are taken for Hounsfield units."""
    image.RescaleIntercept = 0


def like_mr(image: pydicom.Dataset, rng: np.random.Generator) -> None:
    """Brightness follows the tissue in another order, as in magnetic resonance."""
    hu = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
    levels = rng.permutation(np.linspace(80, 900, len(TISSUES_HU) - 1))
    values = np.interp(hu, TISSUES_HU, [0, *levels]).astype(np.int16)
    image.RescaleSlope, image.RescaleIntercept = 1, 0
    image.PixelRepresentation = 1
    image.PixelData = values.tobytes()


TISSUES_HU = (-1000, -200, -90, 10, 60, 120, 300)
DISGUISES: dict[str, Callable[[pydicom.Dataset, np.random.Generator], None]] = {
    "intercept missing": without_intercept, "MR-like": like_mr,
}


def disguised(
    source: Path, out: Path, disguise: Callable[[pydicom.Dataset, np.random.Generator], None], seed: int
) -> Path:
    """A copy of a series whose every slice is changed in the same way, as a series of its own."""
    if (out / "done").exists():
        return out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    series = generate_uid()
    for path in sorted(source.resolve().glob("*.dcm")):
        image = pydicom.dcmread(path)
        disguise(image, np.random.default_rng(seed))
        image.SeriesInstanceUID, image.SOPInstanceUID = series, generate_uid()
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.save_as(out / path.name)
    (out / "done").touch()
    return out


def refusals(appliance: Appliance, bundle: Path, good: Path, seeds: int) -> str:
    """How often the gates refuse, and which: what has no liver, and what has."""
    rows = [
        "| series | refused | warned of | liver and tumour after post-processing, ml, mean, most | refused by |",
        "|---|---|---|---|---|",
    ]
    kinds = negatives(appliance, good, seeds) | {"abdomen, with a liver": sorted(good.iterdir())}
    for kind, cases in kinds.items():
        results = [appliance.segment(bundle, case) for case in cases]
        verdicts = [result["verdict"] for result in results]
        ml = [result["liver_ml"] + result["tumour_ml"] for result in results]
        by = Counter(
            gate["code"] for result in results for gate in result["gates"] if gate["outcome"] == "refuse"
        )
        rows.append(
            f"| {kind} | {verdicts.count('refuse')} of {len(cases)} | {verdicts.count('warn')} | "
            f"{sum(ml) / len(ml):.0f}, {max(ml):.0f} | {', '.join(f'{code} {count}' for code, count in by.most_common())} |"
        )
    return "\n".join(rows)


def failures(appliance: Appliance, bundle: Path, good: Path, seeds: int) -> str:
    """The picture of the worst slices, from what the gates' table was made of."""
    kinds = negatives(appliance, good, seeds)
    cases = sorted(good.iterdir()) + [case for region in REGIONS for case in kinds[region]]
    return gallery.draw([(case.resolve(), appliance.segmented(case)) for case in cases], bundle / "failures.png")


def steps(appliance: Appliance, bundle: Path, data: Path | None, good: Path, seeds: int) -> str:
    """What each step of post-processing is worth: everything measured again without it."""
    rows = [
        "| without | liver Dice | tumour Dice per case | false lesions per case | validation slices, liver Dice, mean "
        "| called liver in pelves and limbs, ml, mean |",
        "|---|---|---|---|---|---|",
    ]
    manifest = tomllib.loads((bundle / "bundle.toml").read_text())
    kinds = negatives(appliance, good, seeds)
    without_liver = [*kinds["pelvis"], *kinds["limb"]]
    for name, off in {"(all steps on)": None, **WITHOUT}.items():
        changed = appliance.scratch / "changed"
        shutil.rmtree(changed, ignore_errors=True)
        shutil.copytree(bundle, changed)
        rules = manifest["postprocess"] | ({} if off is None else {name: off})
        (changed / "bundle.toml").write_text(tomli_w.dumps(manifest | {"postprocess": rules}))
        report = appliance.evaluate(changed, good)
        liver = report["structures"]["liver"]["metrics"]["dice"]["mean"]
        slices = appliance.evaluate(changed, data) if data else None
        real = f"{slices['structures']['liver']['metrics']['dice']['mean']:.4f}" if slices else "-"
        found = [appliance.segment(changed, case) for case in without_liver]
        ml = sum(result["liver_ml"] + result["tumour_ml"] for result in found) / len(found)
        rows.append(
            f"| {name} | {liver:.4f} | {report['tumour_dice_per_case']['mean']:.3f} "
            f"| {report['false_lesions_per_case']:.2f} | {real} | {ml:.0f} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Measures a bundle inside the appliance and writes measured.md beside its model card."""
    parser = argparse.ArgumentParser(prog="models/train measure", description=main.__doc__)
    parser.add_argument("--hepar", type=Path, required=True, help="the binary")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="annotated slices with split.json")
    parser.add_argument("--scratch", type=Path, default=Path(".scratch/measure"))
    parser.add_argument("--cases", type=int, default=12, help="phantoms with a liver")
    parser.add_argument("--negatives", type=int, default=3, help="of each region without one")
    parser.add_argument("--engine", default="tract")
    arguments = parser.parse_args()
    appliance = Appliance(arguments.hepar.resolve(), arguments.scratch, ["--engine", arguments.engine])
    good = good_cases(appliance, arguments.cases)
    name = tomllib.loads((arguments.bundle / "bundle.toml").read_text())
    parts = [
        f"# {name['name']} {name['version']} in the appliance\n\nMeasured with `hepar evaluate` and "
        f"`hepar segment`, engine {arguments.engine}. Intervals are 95 %, by resampling patients.",
    ]
    if arguments.data:
        report = appliance.evaluate(arguments.bundle, arguments.data)
        parts.append("## Patients\n\nAnnotated slices, each on its own.\n\n" + livers(report))
    parts += [
        "## Phantoms\n\nSynthetic series of the appliance's generator, which training never saw. They "
        "say nothing about patients.\n\n" + tumours(appliance.evaluate(arguments.bundle, good)),
        "## Gates\n\n" + refusals(appliance, arguments.bundle, good, arguments.negatives),
        "## Failures\n\n" + failures(appliance, arguments.bundle, good, arguments.negatives),
        "## What each step of post-processing is worth\n\nHalf of these phantoms, one step switched off "
        "at a time. A step that changes nothing here stays for what these cases do not have: holes, lesions beside "
        "the organ, more than the abdomen in one series.\n\n" + steps(
            appliance, arguments.bundle, arguments.data, good_cases(appliance, arguments.cases // 2),
            max(1, arguments.negatives // 2),
        ),
    ]
    (arguments.bundle / "measured.md").write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
