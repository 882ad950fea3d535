"""From PyTorch to the two graphs of a bundle: static shapes, batch 1, opset 17, normalisation folded."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from .data import SIZE
from .familiar import Familiarity, Measuring
from .network import Model

OPSET = 17


def export(model: Model, familiarity: Familiarity, folder: Path) -> tuple[Path, Path]:
    """Writes encoder.onnx (image -> embedding, skip, gate, distance) and head.onnx (what it takes -> logits)."""
    model = model.eval().cpu().float()
    image = torch.zeros(1, 3, SIZE, SIZE)
    measuring = Measuring(model.encoder, familiarity)
    with torch.no_grad():
        embedding, skip, _, _ = measuring(image)
    encoder, head = folder / "encoder.onnx", folder / "head.onnx"
    write_graph(measuring, (image,), encoder, ["image"], ["embedding", "skip", "gate", "distance"])
    export_head(model.head, {"embedding": embedding, "skip": skip}, head)
    return encoder, head


def export_head(head: nn.Module, encoded: dict[str, torch.Tensor], path: Path) -> None:
    """Writes a head alone, for an encoder that gives tensors of these shapes and stays as it is."""
    examples = tuple(torch.zeros_like(encoded[name]) for name in head.takes)
    write_graph(head, examples, path, list(head.takes), ["logits"])


def write_graph(
    part: nn.Module, examples: tuple[torch.Tensor, ...], path: Path, inputs: list[str], outputs: list[str]
) -> None:
    """Exports one part and checks what the engines rely on: no batch norm and no resizing is left."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            part.eval(), tuple(one.contiguous() for one in examples), path, opset_version=OPSET, dynamo=False,
            input_names=inputs, output_names=outputs,
        )
    graph = onnx.load(path)
    onnx.checker.check_model(graph, full_check=True)
    left = {node.op_type for node in graph.graph.node} & {"BatchNormalization", "Resize", "Upsample", "Loop", "If"}
    if left:
        raise RuntimeError(f"{path.name} still holds {sorted(left)}")
