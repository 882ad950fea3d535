"""`python -m pipeline.tune`: a new head for the frozen encoder of a bundle, from a hospital's own cases.

The encoder is run once per slice, through the very graph that is shipped, and its embeddings are
kept in half precision; every epoch after that costs only the head. Nothing but the bundle and the
cases is needed, and embeddings that the appliance already computed stay valid.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import shutil
import tomllib
from pathlib import Path

import numpy as np
import tomli_w
import torch
from torch import Tensor, nn

from . import augment, bundle, cases, losses
from .data import Slice, windows
from .export import export_head
from .network import HEADS, answer
from .runner import Runner
from .scores import score_slices


TAKEN = ("embedding", "skip")


class EmbeddingCache:
    """What a head takes of the encoder, on disk, keyed by encoder, slice and variant; half precision.

    `embedding` [E, S/4, S/4] and `skip` [H, S/2, S/2].
    """

    def __init__(self, folder: Path, encoder: Path, runner: Runner):
        digest = hashlib.sha256(encoder.read_bytes()).hexdigest()[:16]
        self.folder, self.runner = folder / digest, runner
        self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str, hu: np.ndarray) -> dict[str, Tensor]:
        """Those of a slice; the name carries a digest of the pixels, so it cannot go stale."""
        path = self.folder / f"{name}-{hashlib.sha256(hu.tobytes()).hexdigest()[:12]}.npz"
        if not path.exists():
            encoded = self.runner.encode(windows(hu)[None])
            np.savez(path, **{name: encoded[name][0].astype(np.float16) for name in TAKEN})
        with np.load(path) as kept:
            return {name: torch.from_numpy(kept[name].astype(np.float32)) for name in TAKEN}


def tune(
    source: Path, train: list[Slice], validation: list[Slice], out: Path, scratch: Path, head_name: str,
    epochs: int, variants: int, seed: int,
) -> dict[str, dict[str, float]]:
    """Writes a bundle with the same encoder and a new head; returns liver scores before and after."""
    torch.manual_seed(seed)
    runner = Runner(source)
    if missing := set(TAKEN) - {one.name for one in runner.encoder.get_outputs()}:
        raise ValueError(f"the encoder of {source} gives no {', '.join(sorted(missing))}, which heads need")
    cache = EmbeddingCache(scratch / "embeddings", source / "encoder.onnx", runner)
    rng = np.random.default_rng(seed)
    pairs = [(cache.get(one.name, one.hu), torch.from_numpy(one.label)) for one in train]
    for number in range(variants):
        for one in train:
            hu, label = augment.warp(rng, one.hu, one.label)
            hu = augment.intensities(rng, hu)
            pairs.append((cache.get(f"{one.name}-{number}", hu), torch.from_numpy(label)))

    head = HEADS[head_name](*(pairs[0][0][name].shape[0] for name in TAKEN))
    optimiser = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=0.01)
    steps = epochs * max(1, len(pairs) // 8)
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

    _write(source, out, head, {name: tensor[None] for name, tensor in pairs[0][0].items()}, seed)
    before = score_slices([runner.labels(one.hu) for one in validation], validation)
    tuned = Runner(out)
    after = score_slices([tuned.labels(one.hu) for one in validation], validation)
    return {"before": before, "after": after}


def _write(source: Path, out: Path, head: nn.Module, encoded: dict[str, Tensor], seed: int) -> None:
    """The new bundle: the old manifest with new files, no figures, and its origin in words."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "encoder.onnx", out / "encoder.onnx")
    export_head(head, encoded, out / "head.onnx")
    manifest = tomllib.loads((source / "bundle.toml").read_text())
    seen = bundle.golden(out / "golden.npz", Runner(out), Runner(out, integer=False))
    manifest["version"] += "+tuned"
    manifest["output"] = {"stride": Runner(out).stride(), "temperature": [1.0, 1.0, 1.0]}
    manifest["golden"], manifest["files"] = bundle.tolerance(seen), bundle.hashes(out)
    manifest["provenance"]["data"] += "; head tuned on local cases"
    manifest["provenance"]["seed"] = seed
    manifest["provenance"]["date"] = bundle.today()
    manifest["metric"] = []  # the old figures are another head's
    (out / "bundle.toml").write_text(tomli_w.dumps(manifest))


def main() -> None:
    """Tunes the head of a bundle on local cases and says what that changed on held-out patients."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="models/tune", description=main.__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--cases", type=Path, required=True, help=cases.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, default=Path(".scratch"))
    parser.add_argument("--head", choices=sorted(HEADS), default="conv")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--variants", type=int, default=3, help="augmented embeddings per slice")
    parser.add_argument("--held-out", type=float, default=0.2, help="share of patients to measure on")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    slices = cases.load(arguments.cases)
    patients = sorted({one.patient for one in slices})
    if len(patients) < 2:
        raise SystemExit("at least two patients are needed: one of them to measure on")
    order = np.random.default_rng(arguments.seed).permutation(patients)
    held = set(order[: max(1, round(arguments.held_out * len(patients)))])
    results = tune(
        arguments.bundle, [one for one in slices if one.patient not in held],
        [one for one in slices if one.patient in held], arguments.out, arguments.scratch,
        arguments.head, arguments.epochs, arguments.variants, arguments.seed,
    )
    for when, scores in results.items():
        logging.info("%s: %s", when, scores)


if __name__ == "__main__":
    main()
