"""Losses that admit what the labels do not know."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .data import IGNORED, LIVER, LIVER_OR_TUMOUR, TUMOUR

TUMOUR_WEIGHT = 2.0
"""Of a tumour pixel in the cross entropy: there are fifty times fewer of them than of liver."""


def segmentation(logits: Tensor, label: Tensor) -> Tensor:
    """Cross entropy plus Dice of liver-with-tumour and of tumour; logits [B,3,h,w], label [B,S,S].

    Each logit answers for one pixel of its cell, another one in every call: on average that is the
    whole cell, at a fraction of the cost of enlarging the logits.

    LIVER_OR_TUMOUR pixels are satisfied by either class: they enter the cross entropy through the
    sum of both probabilities, and take no part in the tumour's Dice.
    """
    stride = label.shape[-1] // logits.shape[-1]
    row, column = torch.randint(stride, (2,)).tolist()
    label = label[:, row::stride, column::stride]
    log_p = F.log_softmax(logits.float(), dim=1)
    either = torch.logsumexp(log_p[:, 1:], dim=1)
    known = label != IGNORED
    undecided = label == LIVER_OR_TUMOUR

    exact = torch.where(known & ~undecided, label, 0)
    cross_entropy = -log_p.gather(1, exact[:, None].long())[:, 0]
    cross_entropy = torch.where(undecided, -either, cross_entropy)
    weight = known * torch.where(label == TUMOUR, TUMOUR_WEIGHT, 1.0)
    cross_entropy = (cross_entropy * weight).sum() / weight.sum().clamp(min=1)

    inside = (label == LIVER) | (label == TUMOUR) | undecided
    liver_dice = _dice(either.exp() * known, (inside & known).float())
    decided = known & ~undecided
    tumour_dice = _dice(log_p[:, 2].exp() * decided, ((label == TUMOUR) & decided).float())
    return cross_entropy + (1 - liver_dice) + (1 - tumour_dice)


def coarse(logits: Tensor, label: Tensor) -> Tensor:
    """Cross entropy of the 1/16 map against the share of liver-with-tumour in each cell."""
    inside = ((label == LIVER) | (label == TUMOUR) | (label == LIVER_OR_TUMOUR)).float()
    share = F.adaptive_avg_pool2d(inside[:, None], logits.shape[-2:])[:, 0]
    log_p = F.log_softmax(logits.float(), dim=1)
    either = torch.logsumexp(log_p[:, 1:], dim=1)
    return -(share * either + (1 - share) * log_p[:, 0]).mean()


def _dice(probability: Tensor, truth: Tensor) -> Tensor:
    """Soft Dice over the whole batch, so that slices without the structure do not dominate."""
    overlap = (probability * truth).sum()
    return (2 * overlap + 50.0) / (probability.sum() + truth.sum() + 50.0)
