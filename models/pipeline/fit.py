"""The training loop: warm-up, a long plateau, a short decay, and a moving average of the weights.

The plateau makes the run resumable: a snapshot of the averaged weights is usable at any time, and a
run can be extended or its mixture changed from the last checkpoint before the decay.
"""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from . import losses
from .data import REGION_UNKNOWN, Slice, windows
from .network import Model, Widths
from .scores import score_slices
from .sources import Mixture, Stream


@dataclass(frozen=True)
class Plan:
    """How long and how hard to train. A run ends after `minutes` of wall time, or `steps` if given."""

    minutes: float = 120.0
    steps: int | None = None
    batch: int = 8
    peak_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup_steps: int = 100
    decay_share: float = 0.6
    average: float = 0.998
    report_every: int = 100
    evaluate_every: int = 400
    seed: int = 1
    rates: tuple[tuple[int, float], ...] = ()
    """Learning rates at steps, straight lines between them; instead of a peak, a warm-up and a decay."""


class Average:
    """Exponential moving average of weights and of batch statistics, with a warm start."""

    def __init__(self, model: nn.Module, decay: float):
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay, self.count = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.count += 1
        keep = min(self.decay, (1 + self.count) / (10 + self.count))
        for mine, new in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(new, 1 - keep)
            else:
                mine.copy_(new)


def fit(
    train: list[Slice], validation: list[Slice], scratch: Path, plan: Plan, mixture: Mixture,
    widths: Widths, head: str = "conv",
) -> Model:
    """Trains, resuming from `scratch/last.pt` when there is one; returns the averaged model."""
    torch.manual_seed(plan.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Model(widths, head).to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(_groups(model, plan.weight_decay), lr=plan.peak_rate, betas=(0.9, 0.98))
    average = Average(model, plan.average)
    step = _resume(scratch / "last.pt", model, optimiser, average)
    log = _open_log(scratch / "training-log.jsonl", step)
    settings = {name: value for name, value in asdict(plan).items() if name != "rates"}
    _write(log, {"start": settings, "mixture": asdict(mixture), "widths": widths.as_dict(), "head": head, "step": step})

    stream = Stream(train, mixture, plan.seed + step)
    batches = iter(DataLoader(stream, plan.batch, num_workers=1, prefetch_factor=4))
    began, first, running = time.monotonic(), step, []
    while (progress := _progress(plan, began, step)) < 1.0:
        for group in optimiser.param_groups:
            group["lr"] = _rate(progress, step, plan)
        running.append(_step(model, optimiser, next(batches), device))
        average.update(model)
        step += 1
        if step % plan.report_every == 0:
            seconds = (time.monotonic() - began) / (step - first)
            means = np.mean(running, axis=0).round(4).tolist()
            _write(log, {"step": step, "loss": means, "seconds_per_step": round(seconds, 3),
                         "rate": optimiser.param_groups[0]["lr"]})
            running = []
        if step % plan.evaluate_every == 0:
            _write(log, {"step": step, "validation": validate(average.model, validation, device)})
            _save(scratch, model, optimiser, average, step)
    _write(log, {"step": step, "validation": validate(average.model, validation, device), "end": True})
    _save(scratch, model, optimiser, average, step)
    log.close()
    return average.model.cpu()


def _groups(model: nn.Module, decay: float) -> list[dict]:
    """Weight decay for matrices and kernels only; biases, norms and positions are left free."""
    heavy = [p for n, p in model.named_parameters() if p.ndim > 1 and "position" not in n]
    light = [p for n, p in model.named_parameters() if p.ndim <= 1 or "position" in n]
    return [{"params": heavy, "weight_decay": decay}, {"params": light, "weight_decay": 0.0}]


def _progress(plan: Plan, began: float, step: int) -> float:
    if plan.steps is not None:
        return step / plan.steps
    return (time.monotonic() - began) / (60.0 * plan.minutes)


def _rate(progress: float, step: int, plan: Plan) -> float:
    """Linear warm-up to the peak, flat, then a cosine to a hundredth; or what the plan says."""
    if plan.rates:
        return float(np.interp(step, *zip(*plan.rates, strict=True)))
    warm = min(1.0, (step + 1) / plan.warmup_steps)
    late = max(0.0, (progress - (1 - plan.decay_share)) / max(plan.decay_share, 1e-6))
    return plan.peak_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(late, 1.0))))


def _step(
    model: Model, optimiser: torch.optim.Optimizer, batch: list[Tensor], device: torch.device
) -> tuple[float, float, float]:
    """One optimiser step; returns the segmentation, coarse and gate losses."""
    image, label, region = (part.to(device, non_blocking=True) for part in batch)
    model.train()
    with torch.autocast(device.type, torch.bfloat16):
        logits, gate, coarse = model(image.contiguous(memory_format=torch.channels_last))
    fine = losses.segmentation(logits, label)
    rough = losses.coarse(coarse, label)
    place = F.cross_entropy(gate.float(), region, ignore_index=REGION_UNKNOWN)
    place = torch.nan_to_num(place)  # a batch in which no region is known
    optimiser.zero_grad(set_to_none=True)
    (fine + 0.4 * rough + 0.1 * place).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return fine.item(), rough.item(), place.item()


@torch.no_grad()
def validate(model: Model, slices: list[Slice], device: torch.device) -> dict[str, float]:
    """Liver scores on whole validation slices, without post-processing."""
    model.eval()
    predictions = []
    for one in slices:
        image = torch.from_numpy(windows(one.hu))[None].to(device)
        logits = model(image.contiguous(memory_format=torch.channels_last))[0]
        logits = F.interpolate(logits, size=one.hu.shape, mode="bilinear", align_corners=False)
        predictions.append(logits[0].argmax(0).byte().cpu().numpy())
    return score_slices(predictions, slices)


def _save(
    scratch: Path, model: Model, optimiser: torch.optim.Optimizer, average: Average, step: int
) -> None:
    """Writes the checkpoint beside its name and renames it, so that a kill leaves a whole one."""
    state = {
        "model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step,
        "average": average.model.state_dict(), "average_count": average.count,
        "widths": model.widths.as_dict(), "head": model.head_name,
    }
    torch.save(state, scratch / "last.part")
    (scratch / "last.part").replace(scratch / "last.pt")


def _resume(path: Path, model: Model, optimiser: torch.optim.Optimizer, average: Average) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    average.model.load_state_dict(state["average"])
    average.count = state["average_count"]
    return int(state["step"])


def load_average(*paths: Path) -> Model:
    """The averaged weights of a checkpoint, ready to export; of several of one run, their mean.

    The mean of points along one run lies nearer to the middle of the valley they surround than any of
    them (Izmailov et al., UAI 2018, arXiv:1803.05407). Batch statistics are averaged like weights.
    """
    states = [torch.load(path, map_location="cpu", weights_only=True) for path in paths]
    model = Model(Widths(**states[0]["widths"]), states[0]["head"])
    averages = [state["average"] for state in states]
    model.load_state_dict({
        name: torch.stack([one[name] for one in averages]).mean(0) if value.is_floating_point() else value
        for name, value in averages[0].items()
    })
    return model.eval()


def steps_of(path: Path) -> int:
    """How far a checkpoint's run had come."""
    return int(torch.load(path, map_location="cpu", weights_only=True)["step"])


def _open_log(path: Path, step: int) -> TextIO:
    """The log up to the step that was resumed; what a killed run did after its checkpoint is gone."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    path.write_text("".join(line for line in lines if json.loads(line)["step"] <= step))
    return path.open("a")


def _write(log: TextIO, record: dict) -> None:
    log.write(json.dumps(record) + "\n")
    log.flush()
