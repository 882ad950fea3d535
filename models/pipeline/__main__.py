"""`python -m pipeline`: from data to bundle."""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path

import torch

from . import identity, replay
from .bundle import NAME, Origin, build
from .data import load_split
from .fit import Plan, fit, load_average, steps_of
from .network import HEADS, Widths
from .sources import Mixture

SELECTION = (
    "Validation patients were looked at for the learning curve and to choose the length of the run, "
    "the mixture and the checkpoints; no weight was trained on them."
)


def main() -> None:
    """Trains (or resumes), then builds and measures the bundle."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = _parser()
    arguments = parser.parse_args()
    try:
        identity.check(NAME, arguments.version)
    except ValueError as error:
        parser.error(str(error))
    torch.set_num_threads(arguments.threads)
    arguments.scratch.mkdir(parents=True, exist_ok=True)
    train, validation = load_split(arguments.data)
    checkpoints = [arguments.scratch / "last.pt", *arguments.earlier]
    if arguments.replay:
        recipe = replay.read(arguments.replay)
        checkpoints = replay.run(recipe, train, validation, arguments.scratch)
    elif not arguments.export_only:
        plan = Plan(
            minutes=arguments.minutes, steps=arguments.steps, seed=arguments.seed,
            peak_rate=arguments.peak_rate, decay_share=arguments.decay_share,
        )
        mixture = Mixture(strength=arguments.strength)
        fit(train, validation, arguments.scratch, plan, mixture, Widths(), arguments.head)
    log = arguments.scratch / "training-log.jsonl"
    patients = (len({one.patient for one in train}), len({one.patient for one in validation}))
    origin = Origin(
        arguments.version, replay.read(log).seed, patients, SELECTION, not arguments.float,
        tuple(steps_of(path) for path in checkpoints),
    )
    results = build(
        load_average(*checkpoints), arguments.out, log, train, validation, origin
    )
    logging.info(json.dumps(results, indent=2))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="models/train", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/, masks/, split.json")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--scratch", type=Path, default=Path(".scratch"), help="checkpoints and log")
    parser.add_argument("--minutes", type=float, default=120.0, help="wall time of the training")
    parser.add_argument("--steps", type=int, help="train this many steps instead, for a repeatable length")
    parser.add_argument("--peak-rate", type=float, default=Plan.peak_rate, help="lower to extend a finished run")
    parser.add_argument("--decay-share", type=float, default=Plan.decay_share, help="of the run; 0 to go on later")
    parser.add_argument("--strength", type=float, default=1.0, help="of the augmentation; less near the end")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--head", choices=sorted(HEADS), default="conv")
    parser.add_argument("--version", default="1.0.0", help="the bundle's version: numbers with dots")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--float", action="store_true", help="keep weights and activations in float")
    parser.add_argument(
        "--earlier", type=Path, nargs="+", default=[], help="copies of the checkpoint, to be averaged with the last"
    )
    parser.add_argument("--replay", type=Path, help="train again as this training log says, from nothing")
    parser.add_argument("--export-only", action="store_true", help="build from the scratch folder as it is")
    return parser


if __name__ == "__main__":
    main()
