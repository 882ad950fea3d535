"""Assembles a bundle: quantised graphs, golden output, manifest, card. Nothing in it is a patient's."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import tomli_w

from . import calibrate, card, evaluate, phantom
from .canvas import Drawn
from .data import BACKGROUND, SIZE, TUMOUR, WINDOWS, Slice, windows
from .export import export
from .familiar import distance_limits, familiarity
from .network import Model
from .quantise import quantise
from .runner import Runner

ATTRIBUTION = (
    "Trained on Medical Segmentation Decathlon Task03 Liver (Antonelli et al., Nature Communications "
    "2022; Simpson et al., arXiv:1902.09063), CC BY-SA 4.0; tumours and phantoms are synthetic"
)
INTENDED_USE = (
    "Research and engineering. Draft segmentation of liver and liver tumours in axial abdominal CT "
    "for review by a radiologist. Not a medical device, not validated on real tumours."
)
NAME = "liver-tumour"
ARCHITECTURE = (
    "SAM architecture (image encoder, embedding, promptless head), trained from scratch by this "
    "project: patchify stem, residual 3x3 stages, three global attention blocks at 1/16, "
    "depth-to-space decoder to a 64-channel embedding at 1/4, 16 channels at 1/2 beside it, convolutional head"
)
LIVER_CODE = {"value": "10200004", "scheme": "SCT", "meaning": "Liver"}
SEGMENTS = [
    {
        "label-value": 1,
        "label": "Liver",
        "category": {"value": "91723000", "scheme": "SCT", "meaning": "Anatomical Structure"},
        "type": LIVER_CODE,
        "cielab": [41661, 41167, 40792],
    },
    {
        "label-value": 2,
        "label": "Liver tumour",
        "category": {"value": "49755003", "scheme": "SCT", "meaning": "Morphologically Abnormal Structure"},
        "type": {"value": "108369006", "scheme": "SCT", "meaning": "Neoplasm"},
        "anatomic-region": LIVER_CODE,
        "cielab": [37677, 56356, 24077],
    },
]
"""Codes of CID 7150, 7151 and 7159."""
POSTPROCESS = {
    "z-smoothing-mm": 3.0,
    "keep-share-of-largest": 0.05,
    "fill-holes-cm2": 1.0,
    "closing-mm": 5.0,
    "lesion-border": 0.5,
    "minimum-lesion-ml": 0.2,
    "minimum-lesion-certainty": 0.75,
}
FLOAT_NODES = [
    "/stem/stem.0/Conv", "/fine_stem/fine_stem.0/Conv", "/fine/fine.0/Conv", "/familiarity/axes/Gemm",
]
"""The stems cost nothing, and their rounding would reach every later layer; the distance divides by
what varies least, and would divide rounding too. The head stays float as a whole: it is 1 % of the
weights, and rare large embeddings would saturate its input."""
QUANTISED = {
    "weights": "encoder int8 per channel, head and stem float",
    "activations": "encoder u8 per tensor, QDQ",
    "calibration": "moving min/max, every seventh training slice and a third as many phantoms",
}
FLOATING = {"weights": "float", "activations": "float", "calibration": "none"}
GOLDEN_SEED = 20_261
LIMIT_BYTES = 8_000_000
PHANTOMS = 150
"""Slices drawn for each measurement on phantoms."""


@dataclass(frozen=True)
class Origin:
    """What a bundle says about how it came to be."""

    version: str
    seed: int
    patients: tuple[int, int]
    selection: str
    quantised: bool = True
    points: tuple[int, ...] = ()
    """Steps of the run whose weights were averaged."""


def build(
    model: Model, out: Path, log: Path, train: list[Slice], validation: list[Slice], origin: Origin
) -> dict:
    """Writes the whole bundle to `out` and returns what was measured on its files."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        floating = Path(scratch)
        export(model, familiarity(model.encoder, train, PHANTOMS), floating)
        if origin.quantised:
            quantise(floating / "encoder.onnx", out / "encoder.onnx", _calibration_inputs(train), FLOAT_NODES)
        else:
            shutil.copy(floating / "encoder.onnx", out / "encoder.onnx")
        shutil.copy(floating / "head.onnx", out / "head.onnx")
        plain = Runner(floating)
        results = {"float": _tumours_and_livers(plain, validation)}
    shipped, without = Runner(out), Runner(out, integer=False)
    results["golden"] = golden(out / "golden.npz", shipped, without)
    results["temperature"], results["calibration"] = calibrate.temperature(shipped, validation)
    results["gates"] = calibrate.gates(shipped, validation, results["temperature"])
    results["gates"]["embedding-distance"] = distance_limits(shipped, validation)
    results["int8"] = _tumours_and_livers(shipped, validation)
    results["without_liver"] = evaluate.without_liver(shipped, validation, PHANTOMS)
    results["regions"] = evaluate.regions(shipped, validation, PHANTOMS)
    results["bytes"] = sum((out / name).stat().st_size for name in ("encoder.onnx", "head.onnx"))
    if origin.quantised and results["bytes"] > LIMIT_BYTES:
        raise RuntimeError(f"the graphs take {results['bytes']} bytes, more than {LIMIT_BYTES}")

    text = log.read_text()
    if len(origin.points) > 1:
        text += json.dumps({"step": max(origin.points), "averaged": sorted(origin.points)}) + "\n"
    (out / "training-log.jsonl").write_text(text)
    (out / "bundle.toml").write_text(_manifest(out, results, origin))
    card.write(out, results, _quantisation(origin), origin)
    return results


def _tumours_and_livers(runner: Runner, validation: list[Slice]) -> dict:
    """Everything that is measured on both the float and the shipped graphs, on the same slices."""
    livers, tally = evaluate.phantoms(runner, PHANTOMS)
    return {
        "real": evaluate.real_livers(runner, validation),
        "painted": evaluate.painted_tumours(runner, validation).summary(),
        "phantom": tally.summary(),
        "phantom_liver": round(float(np.mean(livers)), 4),
    }


def _calibration_inputs(train: list[Slice]) -> list[np.ndarray]:
    """Every seventh training slice and a third as many phantoms: ranges of both must fit."""
    inputs = [windows(one.hu)[None] for one in train[::7]]
    for index in range(len(inputs) // 3):
        drawn = phantom.abdomen(np.random.default_rng(70_000 + index))
        inputs.append(windows(np.clip(drawn.hu, 0, 255))[None])
    return inputs


def golden(path: Path, shipped: Runner, without: Runner) -> dict[str, float]:
    """Writes one phantom slice with its expected logits; returns how far integer kernels stray.

    The expected logits are those in float; integer engines then differ by rounding, and the tolerance in
    the manifest is twice what was seen here. What is kept is rounded, too, and a head that is hardly sure
    of anything is of another opinion after that.
    """
    drawn = next(one for one in _phantoms_from(GOLDEN_SEED) if _shows_everything(one))
    image = windows(np.clip(np.round(drawn.hu), 0, 255))[None]
    expected, integer = without.logits(image), shipped.logits(image)
    # To a sixteenth, which is far within the tolerance and half the size.
    kept = np.round(16 * expected) / 16
    np.savez_compressed(path, image=image, logits=kept)
    apart, turned = (one.argmax(1) != expected.argmax(1) for one in (integer, kept))
    return {
        "max_abs": float(np.abs(expected - integer).max()),
        "labels_apart": float(apart.mean()),
        "labels_turned": float(turned.mean()),
    }


def _phantoms_from(seed: int) -> Iterator[Drawn]:
    return (phantom.abdomen(np.random.default_rng(seed + index)) for index in itertools.count())


def _shows_everything(drawn: Drawn) -> bool:
    """A liver of some size with a tumour of some size: every class takes part in the check."""
    return (drawn.label != BACKGROUND).sum() > 4000 and (drawn.label == TUMOUR).sum() > 200


def _manifest(out: Path, results: dict, origin: Origin) -> str:
    patients = f"by patient: {origin.patients[0]} train, {origin.patients[1]} validation"
    return tomli_w.dumps({
        "schema": 1,
        "name": NAME,
        "version": origin.version,
        "licence": "CC-BY-SA-4.0",
        "attribution": ATTRIBUTION,
        "intended-use": INTENDED_USE,
        "architecture": ARCHITECTURE,
        "input": {
            "size": SIZE, "orientation": "LP", "field-mm": [300.0, 500.0],
            "windows": [list(window) for window in WINDOWS],
        },
        "output": output(Runner(out), results["temperature"]),
        "segment": SEGMENTS,
        "postprocess": POSTPROCESS,
        "gates": results["gates"],
        "quantisation": _quantisation(origin),
        "golden": tolerance(results["golden"]),
        "files": hashes(out),
        "provenance": {
            "data": "Medical Segmentation Decathlon Task03 Liver, 2-D slices; synthetic phantoms",
            "split": f"{patients}; {origin.selection}",
            "seed": origin.seed,
            "revision": _revision(),
            "date": today(),
        },
        "metric": card.metrics(results),
    })


def output(runner: Runner, temperature: float) -> dict[str, int | list[float]]:
    """What the manifest says of the logits; one temperature for every class."""
    return {"stride": runner.stride(), "temperature": [temperature] * 3}


def _quantisation(origin: Origin) -> dict[str, str]:
    return QUANTISED if origin.quantised else FLOATING


def tolerance(golden: dict[str, float]) -> dict[str, float]:
    """How far an engine may be from the golden logits: twice what int8 kernels were seen to stray."""
    return {
        "max-abs-error": round(max(0.1, 2 * golden["max_abs"]), 3),
        "label-disagreement": round(max(0.002, 2 * (golden["labels_apart"] + golden["labels_turned"])), 4),
    }


def hashes(out: Path) -> dict[str, str]:
    """SHA-256 of each file that the manifest vouches for."""
    return {
        name: hashlib.sha256((out / name).read_bytes()).hexdigest()
        for name in ("encoder.onnx", "golden.npz", "head.onnx")
    }


def today() -> str:
    """The date in UTC, ISO 8601."""
    return datetime.now(UTC).date().isoformat()


def _revision() -> str:
    """SHA-256 over the pipeline's own source: it exists before any commit of the bundle can."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
