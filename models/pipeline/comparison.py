"""The comparison's tables, from what lies in its scratch folder; real and synthetic never in one."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path

import onnx

from .compare import HEAD_WORDS, KEPT, PROMPT, milliseconds
from .runner import session


@dataclass(frozen=True)
class Candidate:
    """What was measured of one candidate."""

    name: str
    found: dict
    parameters: int
    milliseconds: float

    @property
    def is_head(self) -> bool:
        return self.name == PROMPT or self.name in HEAD_WORDS.values()


def candidates(bundle: Path, scratch: Path) -> list[Candidate]:
    """Every candidate that was trained, timed now: a head together with the encoder it needs."""
    encoder, before = milliseconds(session(bundle / "encoder.onnx", integer=False)), _parameters(bundle / "encoder.onnx")
    every = []
    for path in sorted(scratch.glob("*/result.json")):
        found = json.loads(path.read_text())
        head = path.parent / "head.onnx"
        graph = head if head.exists() else path.parent / "network.onnx"
        own = (milliseconds(session(graph)), _parameters(graph))
        ms, parameters = (encoder + own[0], before + own[1]) if graph == head else own
        every.append(Candidate(found["name"], found, parameters, ms))
    return every


def report(bundle: Path, scratch: Path) -> str:
    """The whole comparison.md."""
    every = candidates(bundle, scratch)
    heads = [one for one in every if one.is_head and one.name != PROMPT]
    networks = [one for one in every if not one.is_head]
    asked = [one for one in every if one.name == PROMPT]
    manifest = tomllib.loads((bundle / "bundle.toml").read_text())
    parts = [
        "# Comparison\n\nHeads on one frozen encoder, prompts on the same embeddings, and whole networks from nothing. "
        "All train on the same stream of slices and phantoms, on the same machine, and are scored on the same "
        "validation patients, slice by slice, without post-processing. Times are medians of the processor time of one slice in ONNX "
        "Runtime on one thread, in float; a head's include its encoder's. Written by `models/train compare --report`.",
    ]
    if heads:
        parts.append(
            f"## Heads\n\nOn the frozen encoder of {manifest['name']} {manifest['version']}, {_budget(heads)}, from the "
            f"embeddings of {KEPT} samples of the stream. The encoder was trained with the bundle's own head, which favours that shape.\n\n### Patients\n\n{_real(heads)}\n\n### Synthetic\n\n{_synthetic(heads)}"
        )
    if asked:
        parts.append("## Prompts\n\nThe same encoder; the head is asked for the structure that is scored, so it knows where to "
                     f"look. {_budget(asked)}.\n\n" + _prompts(asked[0]))
    if networks:
        parts.append(
            f"## Whole networks\n\nFrom random weights, {_budget(networks)}. This is a small fraction of what the shipped bundle "
            "had: it compares how fast the shapes learn, not where they end.\n\n"
            f"### Patients\n\n{_real(networks)}\n\n### Synthetic\n\n{_synthetic(networks)}"
        )
    return "\n\n".join(parts) + "\n"


def _budget(some: list[Candidate]) -> str:
    budgets = {(one.found["plan"]["steps"], one.found["plan"]["batch"]) for one in some}
    return " or ".join(f"{steps} steps of {batch} slices" for steps, batch in sorted(budgets))


def _real(some: list[Candidate]) -> str:
    slices = some[0].found["real"]
    rows = [
        f"| {slices['patients']} validation patients, {slices['slices']} slices | liver Dice, pooled | mean per slice | worst patient | parameters | ms |",
        "|---|---|---|---|---|---|",
    ]
    for one in some:
        real = one.found["real"]
        rows.append(
            f"| {one.name} | {real['liver_pooled']:.3f} | {real['liver_slice_mean']:.3f} | "
            f"{real['liver_patient_worst']:.3f} | {one.parameters:,} | {one.milliseconds:.1f} |"
        )
    return "\n".join(rows)


def _synthetic(some: list[Candidate]) -> str:
    rows = [
        "| | liver Dice of phantom slices, mean | painted tumours 10 to 20 mm: Dice, recall | above 20 mm: Dice, recall | false lesions per slice |",
        "|---|---|---|---|---|",
    ]
    for one in some:
        painted = one.found["painted"]
        sizes = [painted[size] for size in ("10 to 20 mm", "above 20 mm")]
        cells = " | ".join(f"{size['dice']:.2f}, {size['recall']:.2f}" for size in sizes)
        rows.append(
            f"| {one.name} | {one.found['phantom_liver']:.3f} | {cells} | {painted['all slices']['false_per_slice']:.2f} |"
        )
    return "\n".join(rows)


def _prompts(one: Candidate) -> str:
    real, painted = one.found["real"], one.found["painted"]
    slices = next(iter(real.values()))
    rows = [
        f"### Patients\n\n| {slices['patients']} validation patients, {slices['slices']} slices, asked with | liver Dice, pooled | mean per slice |",
        "|---|---|---|",
        *(f"| {way} | {found['liver_pooled']:.3f} | {found['liver_slice_mean']:.3f} |" for way, found in real.items()),
        f"\n### Synthetic\n\n| painted lesions, {next(iter(painted.values()))['lesions']}, asked with | Dice, mean |",
        "|---|---|",
        *(f"| {way} | {found['dice']:.3f} |" for way, found in painted.items()),
        f"\n{one.parameters:,} parameters with the encoder. An embedding serves any number of prompts: the first takes "
        f"{one.milliseconds:.1f} ms, with its encoder.",
    ]
    return "\n".join(rows)


def _parameters(graph: Path) -> int:
    """Numbers in the weights of a graph, scales and shapes left out."""
    kinds = {onnx.TensorProto.FLOAT, onnx.TensorProto.INT8, onnx.TensorProto.INT32}
    of_scales = ("_scale", "_zero_point")
    return sum(
        math.prod(tensor.dims) for tensor in onnx.load(graph).graph.initializer
        if tensor.data_type in kinds and len(tensor.dims) > 0 and not tensor.name.endswith(of_scales)
    )
