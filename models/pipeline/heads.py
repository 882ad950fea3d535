"""Heads for a frozen encoder, trained on embeddings that were computed once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from . import losses, prompts
from .data import TUMOUR, windows
from .network import answer
from .runner import Runner
from .sources import Stream


@dataclass(frozen=True)
class Kept:
    """One sample of the stream as a head sees it: embedding [E, S/4, S/4] and skip [H, S/2, S/2], both in
    half precision, and label [S, S]."""

    embedding: Tensor
    skip: Tensor
    label: np.ndarray


def keep(runner: Runner, stream: Stream, count: int, seed: int) -> list[Kept]:
    """The first `count` samples of the stream, through the encoder."""
    rng = np.random.default_rng(seed)
    kept = []
    for _ in range(count):
        sample = stream.draw(rng)
        encoded = runner.encode(windows(sample.hu)[None])
        half = (torch.from_numpy(encoded[name][0].astype(np.float16)) for name in ("embedding", "skip"))
        kept.append(Kept(*half, sample.label))
    return kept


def train(head: nn.Module, kept: list[Kept], steps: int, batch: int, seed: int) -> None:
    """One cycle of the learning rate over `steps`; a prompt head is asked for what it is shown."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    prompted = isinstance(head, prompts.PromptHead)
    asked = [one for one in kept if prompts.structures(one.label)] if prompted else kept
    head.train()
    for _ in range(steps):
        chosen = [asked[i] for i in rng.choice(len(asked), size=min(batch, len(asked)), replace=False)]
        embeddings = torch.stack([one.embedding for one in chosen]).float()
        if prompted:
            found = _asked(head, embeddings, [one.label for one in chosen], rng)
        else:
            labels = torch.stack([torch.from_numpy(one.label) for one in chosen])
            skips = torch.stack([one.skip for one in chosen]).float()
            found = losses.segmentation(answer(head, embeddings, skips), labels)
        optimiser.zero_grad(set_to_none=True)
        found.backward()
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    head.eval()


def _asked(
    head: prompts.PromptHead, embeddings: Tensor, labels: list[np.ndarray], rng: np.random.Generator
) -> Tensor:
    """The loss of one batch: of each slice some structure, asked for by a point or a box."""
    at, kinds, targets, known = [], [], [], []
    for label in labels:
        choices = prompts.structures(label)
        target = choices[rng.integers(len(choices))]
        if rng.random() < 0.5:
            # A point on a lesion means the lesion.
            healthy = target & (label != TUMOUR)
            aim = healthy if healthy.any() else target
            place, kind = prompts.point(aim, rng if rng.random() < 0.5 else None)
        else:
            place, kind = prompts.box(target, rng.uniform(0, 10), rng)
        at.append(place)
        kinds.append(kind)
        targets.append(target)
        known.append(prompts.known_for(target, label))
    logits = head(embeddings, torch.from_numpy(np.stack(at)).float(), torch.tensor(kinds))
    return prompts.loss(logits, torch.from_numpy(np.stack(targets)), torch.from_numpy(np.stack(known)))
