"""Post-training quantisation: int8 weights per channel, u8 activations per tensor, as QDQ graphs.

One file serves every engine. ONNX Runtime and TensorRT run the pairs as integer kernels; an engine
without such kernels drops the activation pairs and folds the weights back to float at load, which
`in_float` does here so that the same thing can be measured.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static,
)

QUANTISED = ["Conv", "MatMul", "Gemm"]


class _Feed(CalibrationDataReader):
    """Hands ONNX Runtime one named input at a time."""

    def __init__(self, name: str, inputs: Iterable[np.ndarray]):
        self.feeds: Iterator[dict[str, np.ndarray]] = iter([{name: one} for one in inputs])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


def quantise(source: Path, target: Path, inputs: list[np.ndarray], keep: Collection[str] = ()) -> None:
    """Quantises a float graph, its ranges taken over `inputs`; nodes named in `keep` stay float.

    Products of two activations (attention scores, and scores times values) stay float: their range
    per tensor is too wide for eight bits and they are cheap.
    """
    graph = onnx.load(source)
    if missing := set(keep) - {node.name for node in graph.graph.node}:
        raise ValueError(f"{source.name} has no nodes {sorted(missing)}")
    weights = {tensor.name for tensor in graph.graph.initializer}
    float_nodes = [
        node.name for node in graph.graph.node
        if node.op_type == "MatMul" and not weights & set(node.input)
    ]
    quantize_static(
        str(source), str(target), _Feed(graph.graph.input[0].name, inputs),
        quant_format=QuantFormat.QDQ, op_types_to_quantize=QUANTISED, per_channel=True,
        weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
        nodes_to_exclude=[*float_nodes, *keep], calibrate_method=CalibrationMethod.MinMax,
        extra_options={"WeightSymmetric": True, "ActivationSymmetric": False, "CalibMovingAverage": True},
    )
    onnx.checker.check_model(onnx.load(target), full_check=True)


def in_float(model: ModelProto) -> ModelProto:
    """A copy as an engine without integer kernels runs it: nothing quantised is left to compute."""
    return with_float_weights(without_activation_pairs(model))


def without_activation_pairs(model: ModelProto) -> ModelProto:
    """A copy whose QuantizeLinear/DequantizeLinear pairs on activations are wires; weights keep theirs."""
    model = copy.deepcopy(model)
    graph = model.graph
    made_by = {output: node for node in graph.node for output in node.output}
    source_of: dict[str, str] = {}
    kept = []
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            continue
        producer = made_by.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if producer is not None and producer.op_type == "QuantizeLinear":
            source_of[node.output[0]] = producer.input[0]
        else:
            kept.append(node)

    def origin(name: str) -> str:
        while name in source_of:
            name = source_of[name]
        return name

    outputs = {value.name for value in graph.output}
    renamed = {origin(name): name for name in outputs if name in source_of}
    for node in kept:
        node.input[:] = [renamed.get(origin(name), origin(name)) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    return _with(model, kept, list(graph.initializer))


def with_float_weights(model: ModelProto) -> ModelProto:
    """A copy whose quantised constants are float ones, as an engine makes them once, when it loads them."""
    model = copy.deepcopy(model)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    folded, kept = [], []
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and constants.keys() >= {name for name in node.input if name}:
            folded.append(_dequantised(node, constants))
        else:
            kept.append(node)
    return _with(model, kept, [*constants.values(), *folded])


def _dequantised(node: NodeProto, constants: dict[str, TensorProto]) -> TensorProto:
    """What a DequantizeLinear makes of constants; scale and zero point are one, or one for each place on `axis`."""
    stored, scale, *zero = (numpy_helper.to_array(constants[name]) for name in node.input if name)
    axis = next((one.i for one in node.attribute if one.name == "axis"), 1)

    def along_axis(values: np.ndarray) -> np.ndarray:
        return values.reshape([-1 if at == axis % stored.ndim else 1 for at in range(stored.ndim)])

    whole = stored.astype(np.int32) - along_axis(zero[0].astype(np.int32)) if zero else stored
    return numpy_helper.from_array(whole.astype(np.float32) * along_axis(scale), node.output[0])


def _with(model: ModelProto, nodes: list[NodeProto], constants: list[TensorProto]) -> ModelProto:
    """The model with these nodes, and of the constants those that they use."""
    graph = model.graph
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    del graph.initializer[:]
    graph.initializer.extend(tensor for tensor in constants if tensor.name in used)
    onnx.checker.check_model(model, full_check=True)
    return model
