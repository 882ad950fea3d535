"""Runs exported graphs with ONNX Runtime, as the appliance does, one slice at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F

from .data import SIZE, windows
from .quantise import in_float


class Runner:
    """Encoder and head of a folder; `integer=False` computes in float, as tract does."""

    def __init__(self, folder: Path, integer: bool = True, threads: int = 1):
        self.encoder = session(folder / "encoder.onnx", integer, threads)
        self.head = session(folder / "head.onnx", integer, threads)

    def encode(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Image [1, 3, S, S] -> embedding [1, E, S/4, S/4], skip [1, H, S/2, S/2], gate logits, distance."""
        names = [one.name for one in self.encoder.get_outputs()]
        return dict(zip(names, self.encoder.run(names, {"image": image}), strict=True))

    def distance(self, hu: np.ndarray) -> float:
        """How far HU [S, S] lies from the slices of training, by the encoder's own judgement."""
        return float(self.encode(windows(hu)[None])["distance"].item())

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Image [1, 3, S, S] -> logits [1, 3, h, w]."""
        encoded = self.encode(image)
        return self.head.run(["logits"], {one.name: encoded[one.name] for one in self.head.get_inputs()})[0]

    def stride(self) -> int:
        """Pixels of the image to one of the logits, along a side."""
        return SIZE // self.head.get_outputs()[0].shape[-1]

    def full_logits(self, hu: np.ndarray) -> torch.Tensor:
        """HU [S, S] -> logits [3, S, S], enlarged as the appliance enlarges them."""
        logits = torch.from_numpy(self.logits(windows(hu)[None]))
        return F.interpolate(logits, size=(SIZE, SIZE), mode="bilinear", align_corners=False)[0]

    def labels(self, hu: np.ndarray) -> np.ndarray:
        """HU [S, S] -> labels [S, S] uint8."""
        return self.full_logits(hu).argmax(0).byte().numpy()


def session(path: Path, integer: bool = True, threads: int = 1) -> onnxruntime.InferenceSession:
    """A graph on so many threads; `integer=False` takes its quantisation out."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    graph = onnx.load(path)
    if not integer:
        graph = in_float(graph)
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
