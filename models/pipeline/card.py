"""The model card, the curves and the manifest's metrics: all from what was measured, nothing typed in."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from .calibrate import GUESSING
from .evaluate import SIZES_MM
from .familiar import FOREIGN

if TYPE_CHECKING:
    from .bundle import Origin

TEMPLATE = Path(__file__).parent / "card.md"


def metrics(results: dict) -> list[dict[str, str | float | int]]:
    """The manifest's [[metric]] tables."""
    real, erased = results["int8"]["real"], results["without_liver"]
    rows: list[dict[str, str | float | int]] = [
        _metric("liver Dice, pooled", real["liver_pooled"], real["patients"], "validation patients"),
        _metric("liver Dice, mean per slice", real["liver_slice_mean"], real["slices"], "validation slices"),
        _metric("liver Dice, mean per patient", real["liver_patient_mean"], real["patients"], "validation patients"),
        _metric("liver Dice, worst patient", real["liver_patient_worst"], real["patients"], "validation patients"),
        _metric("area called liver without liver, cm2 per slice", erased["erased_mean"],
                erased["erased_slices"], "validation slices, liver erased"),
        _metric("area called liver without liver, cm2 per slice", erased["negative_mean"],
                erased["negative_slices"], "synthetic negatives, unseen seeds"),
    ]
    for split, name in (("painted", "tumours painted into validation livers"),
                        ("phantom", "phantoms, unseen seeds")):
        for size in SIZES_MM:
            row = results["int8"][split][size]
            if row["lesions"]:
                rows.append(_metric(f"tumour Dice, {size}", row["dice"], row["lesions"], name))
                rows.append(_metric(f"tumour recall at IoU 0.1, {size}", row["recall"], row["lesions"], name))
    return rows


def _metric(name: str, value: float, cases: float, split: str) -> dict[str, str | float | int]:
    note = "per slice, int8 graphs in ONNX Runtime, no post-processing"
    return {"name": name, "value": float(value), "cases": int(cases), "split": split, "note": note}


def write(out: Path, results: dict, words: dict[str, str], origin: Origin) -> None:
    """Writes README.md and curves.png beside the graphs."""
    records = [json.loads(line) for line in (out / "training-log.jsonl").read_text().splitlines()]
    _curves(out / "curves.png", records)
    steps = max(record["step"] for record in records)
    segments = [record for record in records if "mixture" in record]
    shipped, plain, golden = results["int8"], results["float"], results["golden"]
    regions, gates = results["regions"], results["gates"]
    distance, agreement = gates["embedding-distance"], gates["organ-agreement"]
    (out / "README.md").write_text(Template(TEMPLATE.read_text()).substitute(
        version=origin.version, train=origin.patients[0], validation=origin.patients[1],
        averaged=f", and of {len(origin.points)} points of the run the mean" if len(origin.points) > 1 else "",
        selection=origin.selection, steps=steps, seed=origin.seed, segments=len(segments),
        samples=steps * segments[-1]["start"]["batch"],
        mixture=", ".join(f"{name.replace('_', ' ')} {odds}" for name, odds in segments[-1]["mixture"].items()),
        liver_rows="\n".join(
            f"| {name} | {shipped['real'][key]:.3f} | {plain['real'][key]:.3f} |" for name, key in (
                ("pooled", "liver_pooled"), ("mean per slice", "liver_slice_mean"),
                ("mean per patient", "liver_patient_mean"), ("worst patient", "liver_patient_worst"),
            )
        ),
        slices=shipped["real"]["slices"], tumour_rows="\n".join(_tumour_rows(results)),
        false_painted=shipped["painted"]["all slices"]["false_per_slice"],
        false_phantom=shipped["phantom"]["all slices"]["false_per_slice"],
        phantom_liver=shipped["phantom_liver"], phantom_slices=shipped["phantom"]["all slices"]["slices"],
        negative_rows="\n".join(
            f"| {name} | {results['without_liver'][key + '_slices']:.0f} | "
            f"{results['without_liver'][key + '_mean']:.2f} | {results['without_liver'][key + '_worst']:.2f} |"
            for name, key in (("validation slices with the liver erased", "erased"),
                              ("synthetic chests, pelves, heads, limbs, test objects, wrong numbers", "negative"))
        ),
        kept=f"{100 * regions['liver_kept']:.1f}", caught=f"{100 * regions['negative_caught']:.1f}",
        negatives=regions["negatives"],
        doubt=_nats(gates.get("organ-entropy")), doubt_refuse=_nats(gates.get("organ-entropy-refuse")),
        guessing=GUESSING,
        distance=distance["warn"], distance_refuse=distance["refuse"], foreign=FOREIGN,
        agreement=agreement["warn"], agreement_refuse=agreement["refuse"],
        weights=words["weights"], activations=words["activations"],
        temperature=results["temperature"], before=results["calibration"]["calibration_error_before"],
        after=results["calibration"]["calibration_error"], kilobytes=results["bytes"] // 1000,
        max_abs=f"{golden['max_abs']:.3f}", labels_apart=f"{100 * golden['labels_apart']:.3f}",
    ))


def _nats(limit: float | None) -> str:
    return "the appliance's own limit" if limit is None else f"{limit:.3f}"


def _tumour_rows(results: dict) -> list[str]:
    rows = []
    for split, name in (("painted", "painted into validation livers"), ("phantom", "phantoms")):
        for size in SIZES_MM:
            row, plain = results["int8"][split][size], results["float"][split][size]
            rows.append(
                f"| {name} | {size} | {row['lesions']} | {row['dice']:.2f} | {row['recall']:.2f} | "
                f"{plain['dice']:.2f} | {plain['recall']:.2f} |"
            )
    return rows


def _curves(path: Path, records: list[dict]) -> None:
    """Loss and validation Dice against the step, as a picture."""
    losses = [(r["step"], r["loss"][0]) for r in records if "loss" in r]
    scores = [(r["step"], r["validation"]) for r in records if "validation" in r]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    left.plot(*zip(*losses, strict=True), lw=0.8)
    left.set(xlabel="step", ylabel="training loss", ylim=(0, 1.5))
    for key in ("liver_pooled", "liver_slice_mean", "liver_patient_worst"):
        right.plot([step for step, _ in scores], [score[key] for _, score in scores], label=key)
    right.set(xlabel="step", ylabel="validation Dice", ylim=(0.7, 1.0))
    right.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)
