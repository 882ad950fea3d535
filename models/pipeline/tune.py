"""`python -m pipeline.tune`: a new head for the frozen encoder of a bundle, from a hospital's own cases.

The encoder is run once per slice, through the very graph that is shipped, and its embeddings are
kept in half precision; every epoch after that costs only the head. Nothing but the bundle and the
cases is needed, and embeddings that the appliance already computed stay valid.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import math
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tomli_w
import torch
from torch import Tensor, nn

from . import augment, bundle, calibrate, cases, identity, losses
from .data import BACKGROUND, Slice, windows
from .export import export_head
from .network import HEADS, answer
from .runner import Runner
from .scores import score_slices


TAKEN = ("embedding", "skip")
LOOKED_AT = 20
"""Held-out slices of one patient, at most, that limits are measured on; their neighbours say the same."""


@dataclass(frozen=True)
class Wanted:
    """How the head is made, and what its bundle is called."""

    name: str
    version: str = "1.0.0"
    head: str = "conv"
    epochs: int = 20
    variants: int = 3
    """Augmented embeddings per slice."""
    seed: int = 1

    def __post_init__(self) -> None:
        identity.check(self.name, self.version)


class EmbeddingCache:
    """What a head takes of the encoder, on disk, keyed by encoder and pixels; half precision.

    `embedding` [E, S/4, S/4] and `skip` [H, S/2, S/2]. No file carries a name: folders are often
    called after patients.
    """

    def __init__(self, folder: Path, encoder: Path, runner: Runner):
        digest = hashlib.sha256(encoder.read_bytes()).hexdigest()[:16]
        self.folder, self.runner = folder / digest, runner
        self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, hu: np.ndarray) -> dict[str, Tensor]:
        """Those of HU [S, S]."""
        path = self.folder / f"{hashlib.sha256(hu.tobytes()).hexdigest()[:32]}.npz"
        if not path.exists():
            encoded = self.runner.encode(windows(hu)[None])
            np.savez(path, **{name: encoded[name][0].astype(np.float16) for name in TAKEN})
        with np.load(path) as kept:
            return {name: torch.from_numpy(kept[name].astype(np.float32)) for name in TAKEN}


def split(slices: list[Slice], share: float, seed: int) -> tuple[list[Slice], list[Slice]]:
    """Slices to train on and held-out ones, by patient; at least one patient on either side."""
    patients = sorted({one.patient for one in slices})
    if len(patients) < 2:
        raise ValueError(
            "at least two patients are needed, one of them to measure on; NIfTI files that are alike up to "
            "the last underscore of their names are taken for one patient's"
        )
    order = np.random.default_rng(seed).permutation(patients)
    held = set(order[: min(max(1, round(share * len(patients))), len(patients) - 1)])
    logging.info("%d patients, %d of them held out", len(patients), len(held))
    return [one for one in slices if one.patient not in held], [one for one in slices if one.patient in held]


def tune(
    source: Path, train: list[Slice], validation: list[Slice], out: Path, scratch: Path, wanted: Wanted
) -> dict[str, dict[str, float]]:
    """Writes a bundle with the same encoder and a new head; returns liver scores before and after."""
    if not (shown := _showing_liver(validation)):
        raise ValueError("no held-out slice shows a liver")
    torch.manual_seed(wanted.seed)
    runner = Runner(source)
    if missing := set(TAKEN) - {one.name for one in runner.encoder.get_outputs()}:
        raise ValueError(f"the encoder of {source} gives no {', '.join(sorted(missing))}, which heads need")
    cache = EmbeddingCache(scratch / "embeddings", source / "encoder.onnx", runner)
    rng = np.random.default_rng(wanted.seed)
    pairs = [(cache.get(one.hu), torch.from_numpy(one.label)) for one in train]
    for _ in range(wanted.variants):
        for one in train:
            hu, label = augment.warp(rng, one.hu, one.label)
            hu = augment.intensities(rng, hu)
            pairs.append((cache.get(hu), torch.from_numpy(label)))

    head = HEADS[wanted.head](*(pairs[0][0][name].shape[0] for name in TAKEN))
    optimiser = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=0.01)
    steps = wanted.epochs * max(1, len(pairs) // 8)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    head.train()
    for _ in range(steps):
        chosen = rng.choice(len(pairs), size=min(8, len(pairs)), replace=False)
        encoded = (torch.stack([pairs[i][0][name] for i in chosen]) for name in TAKEN)
        loss = losses.segmentation(answer(head, *encoded), torch.stack([pairs[i][1] for i in chosen]))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()

    _write(source, out, head, {name: tensor[None] for name, tensor in pairs[0][0].items()}, shown, wanted)
    before = score_slices([runner.labels(one.hu) for one in validation], validation)
    tuned = Runner(out)
    after = score_slices([tuned.labels(one.hu) for one in validation], validation)
    return {"before": before, "after": after}


def _showing_liver(slices: list[Slice]) -> list[Slice]:
    """Of every patient some slices with liver, evenly spaced among them."""
    by_patient: dict[str, list[Slice]] = {}
    for one in slices:
        if (one.label != BACKGROUND).any():
            by_patient.setdefault(one.patient, []).append(one)
    return [one for mine in by_patient.values() for one in mine[:: math.ceil(len(mine) / LOOKED_AT)]]


def _write(
    source: Path, out: Path, head: nn.Module, encoded: dict[str, Tensor], shown: list[Slice], wanted: Wanted
) -> None:
    """The new bundle: the old manifest with new files, no figures, and its origin in words.

    What depends on the head is measured on the slices `shown`; what only the encoder decides stays, and
    so do the rules of post-processing: minimum-lesion-certainty is a limit on calibrated probabilities.
    """
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "encoder.onnx", out / "encoder.onnx")
    export_head(head, encoded, out / "head.onnx")
    manifest = tomllib.loads((source / "bundle.toml").read_text())
    tuned = Runner(out)
    seen = bundle.golden(out / "golden.npz", tuned, Runner(out, integer=False))
    temperature, _ = calibrate.temperature(tuned, shown)
    kept = {gate: limit for gate, limit in manifest.get("gates", {}).items() if gate not in calibrate.OF_THE_HEAD}
    manifest["name"], manifest["version"] = wanted.name, wanted.version
    manifest["output"] = bundle.output(tuned, temperature)
    manifest["gates"] = kept | calibrate.gates(tuned, shown, temperature)
    manifest["golden"], manifest["files"] = bundle.tolerance(seen), bundle.hashes(out)
    manifest["provenance"]["data"] += "; head tuned on local cases"
    manifest["provenance"]["seed"] = wanted.seed
    manifest["provenance"]["date"] = bundle.today()
    manifest["metric"] = []  # the old figures are another head's
    (out / "bundle.toml").write_text(tomli_w.dumps(manifest))


def main() -> None:
    """Tunes the head of a bundle on local cases and says what that changed on held-out patients."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="models/train tune", description=main.__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--cases", type=Path, required=True, help=cases.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", help="the new bundle's; the old one's and -tuned unless given")
    parser.add_argument("--version", default=Wanted.version, help="the new bundle's: numbers with dots")
    parser.add_argument("--scratch", type=Path, default=Path(".scratch"))
    parser.add_argument("--head", choices=sorted(HEADS), default=Wanted.head)
    parser.add_argument("--epochs", type=int, default=Wanted.epochs)
    parser.add_argument("--variants", type=int, default=Wanted.variants, help="augmented embeddings per slice")
    parser.add_argument("--held-out", type=float, default=0.2, help="share of patients to measure on")
    parser.add_argument("--seed", type=int, default=Wanted.seed)
    arguments = parser.parse_args()
    source = tomllib.loads((arguments.bundle / "bundle.toml").read_text())
    try:
        wanted = Wanted(
            arguments.name or f"{source['name']}-tuned", arguments.version, arguments.head,
            arguments.epochs, arguments.variants, arguments.seed,
        )
        train, validation = split(cases.load(arguments.cases), arguments.held_out, arguments.seed)
    except ValueError as error:
        parser.error(str(error))
    results = tune(arguments.bundle, train, validation, arguments.out, arguments.scratch, wanted)
    for when, scores in results.items():
        logging.info("%s: %s", when, scores)


if __name__ == "__main__":
    main()
