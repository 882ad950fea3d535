"""A training run again, from its log: the same segments, mixtures, seeds and learning rates.

A run of many parts (extended, its mixture changed, some of its points averaged) is not one call with
options, but its log holds all that decided over it. Run again it gives a bundle of the same kind, not
the same bits: rates between two records are interpolated, and sums depend on threads.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, fields
from pathlib import Path

from .data import Slice
from .fit import Plan, fit, steps_of
from .network import Widths
from .sources import Mixture


@dataclass(frozen=True)
class Segment:
    """From where the one before ended to the step that `plan` names."""

    plan: Plan
    mixture: Mixture


@dataclass(frozen=True)
class Recipe:
    """All segments of a run, and the steps whose weights were averaged: the last one, at least."""

    widths: Widths
    head: str
    segments: tuple[Segment, ...]
    averaged: tuple[int, ...]

    @property
    def seed(self) -> int:
        """That of the last segment: the one that whoever goes on with the run has to know."""
        return self.segments[-1].plan.seed


def read(log: Path) -> Recipe:
    """What a training log says of how its run went. A segment that made no step left no trace."""
    records = [json.loads(line) for line in log.read_text().splitlines()]
    starts = [record for record in records if "start" in record]
    if not starts:
        raise ValueError(f"{log} records no training")
    last = max(record["step"] for record in records)
    averaged = next((record["averaged"] for record in records if "averaged" in record), [last])
    ends = [record["step"] for record in starts[1:]] + [last]
    segments = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if end == start["step"]:
            continue
        between = records[records.index(start):]
        following = starts[number + 1] if number + 1 < len(starts) else None
        if following is not None:
            between = between[: between.index(following)]
        # A record's rate is that of the step that led to it.
        rates = tuple((record["step"] - 1, record["rate"]) for record in between if "rate" in record)
        mixture = Mixture(**{name: start["mixture"][name] for name in _names(Mixture) & set(start["mixture"])})
        kept = {name: start["start"][name] for name in _names(Plan) & set(start["start"]) - {"minutes", "steps"}}
        # An averaged point is an end, too, so that its weights can be put aside.
        cuts = sorted({step for step in averaged if start["step"] < step < end} | {end})
        segments += [Segment(Plan(**kept, steps=cut, rates=rates), mixture) for cut in cuts]
    first = starts[0]
    return Recipe(Widths(**first["widths"]), first.get("head", "conv"), tuple(segments), tuple(averaged))


def run(recipe: Recipe, train: list[Slice], validation: list[Slice], scratch: Path) -> list[Path]:
    """Trains, or goes on where it was interrupted; returns the checkpoints to average."""
    last = scratch / "last.pt"
    points = []
    for segment in recipe.segments:
        end = segment.plan.steps
        if not last.exists() or steps_of(last) < end:
            fit(train, validation, scratch, segment.plan, segment.mixture, recipe.widths, recipe.head)
        if end in recipe.averaged:
            points.append(scratch / f"step-{end}.pt")
            if not points[-1].exists():
                shutil.copy(last, points[-1])
    return points


def _names(kind: type) -> set[str]:
    return {one.name for one in fields(kind)}
