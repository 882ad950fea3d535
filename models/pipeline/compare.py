"""`python -m pipeline.compare`: heads and architectures under equal conditions.

Every candidate sees the same stream for the same wall time on the same machine and is scored on the
same validation patients. Equal time, not equal steps: a heavier network pays for its weight here as
it would on the appliance.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from . import losses
from .baselines import Promptless, UNet, VNet
from .data import Slice, load_split, windows
from .network import HEADS, Model, Widths
from .scores import score_slices
from .sources import Mixture, Stream

CANDIDATES: dict[str, Callable[[], nn.Module]] = {
    **{f"{head} head": lambda head=head: Promptless(Model(Widths(), head)) for head in HEADS},
    "U-Net": UNet,
    "V-Net": VNet,
}


def train(network: nn.Module, slices: list[Slice], minutes: float, seed: int, batch: int = 8) -> int:
    """Trains with one cycle of the learning rate over the given wall time; returns the steps taken."""
    torch.manual_seed(seed)
    network.train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    batches = iter(DataLoader(Stream(slices, Mixture(), seed), batch, num_workers=1))
    began, steps = time.monotonic(), 0
    while (progress := (time.monotonic() - began) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1.0, 5 * progress + 0.02, 1.25 * (1 - progress) + 0.01)
        image, label, _ = next(batches)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(image.contiguous(memory_format=torch.channels_last))
        loss = losses.segmentation(logits, label)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        steps += 1
    return steps


@torch.no_grad()
def measure(network: nn.Module, slices: list[Slice]) -> dict[str, float]:
    """Liver scores and the median time per slice in milliseconds."""
    network.eval()
    predictions, times = [], []
    for one in slices:
        image = torch.from_numpy(windows(one.hu))[None].contiguous(memory_format=torch.channels_last)
        began = time.perf_counter()
        logits = network(image)
        times.append(1000 * (time.perf_counter() - began))
        full = F.interpolate(logits, size=one.hu.shape, mode="bilinear", align_corners=False)
        predictions.append(full[0].argmax(0).byte().numpy())
    return {**score_slices(predictions, slices), "milliseconds": round(sorted(times)[len(times) // 2], 1)}


def main() -> None:
    """Trains and scores each candidate, one JSON line each."""
    parser = argparse.ArgumentParser(prog="models/train compare", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30.0, help="wall time for each candidate")
    parser.add_argument("--only", choices=sorted(CANDIDATES), action="append")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    slices, validation = load_split(arguments.data)
    for name in arguments.only or CANDIDATES:
        network = CANDIDATES[name]()
        steps = train(network, slices, arguments.minutes, arguments.seed)
        parameters = sum(p.numel() for p in network.parameters())
        scores = measure(network, validation)
        print(json.dumps({"network": name, "parameters": parameters, "steps": steps, **scores}), flush=True)


if __name__ == "__main__":
    main()
