"""The fairest ONNX for foreign engines: static shape, one clip, explicit Pad nodes folded into convolutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

NEWEST_IR = 10
"""Every engine of the last years reads it."""


def prepare(model: onnx.ModelProto, shape: tuple[int, ...]) -> onnx.ModelProto:
    """A copy with its input of this shape and its Pad nodes folded where every reader is a convolution."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    constants = {held.name for held in fixed.graph.initializer}
    given = next(value for value in fixed.graph.input if value.name not in constants)
    given.type.tensor_type.ClearField("shape")
    for size in shape:
        given.type.tensor_type.shape.dim.add().dim_value = size
    del fixed.graph.value_info[:]
    batch = fixed.graph.output[0].type.tensor_type.shape
    if batch.dim and batch.dim[0].dim_param:
        batch.dim[0].dim_value = shape[0]
    fold_pads(fixed.graph)
    fixed.ir_version = min(fixed.ir_version, NEWEST_IR)
    return onnx.shape_inference.infer_shapes(fixed)


def fold_pads(graph: onnx.GraphProto) -> None:
    """Move constant zero padding of rows and columns into the pads of the convolutions that read it."""
    constants = _constants(graph)
    for node in [node for node in graph.node if node.op_type == "Pad"]:
        readers = [reader for reader in graph.node if node.output[0] in reader.input]
        pads = constants.get(node.input[1]) if len(node.input) > 1 else None
        if pads is None or not _foldable(node, pads, constants, readers):
            continue
        for reader in readers:
            _add_pads(reader, [int(value) for value in (*pads[2 : len(pads) // 2], *pads[len(pads) // 2 + 2 :])])
            reader.input[0] = node.input[0]
        graph.node.remove(node)


def _constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    found = {held.name: numpy_helper.to_array(held) for held in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def _foldable(
    node: onnx.NodeProto, pads: np.ndarray, constants: dict[str, np.ndarray], readers: list[onnx.NodeProto]
) -> bool:
    mode = next((attribute.s for attribute in node.attribute if attribute.name == "mode"), b"constant")
    value = constants.get(node.input[2], np.zeros(1)) if len(node.input) > 2 and node.input[2] else np.zeros(1)
    half = len(pads) // 2
    border = [*pads[:2], *pads[half : half + 2]]
    explicit = all(
        attribute.s in (b"NOTSET", b"")
        for reader in readers
        for attribute in reader.attribute
        if attribute.name == "auto_pad"
    )
    is_plain = mode == b"constant" and not value.any() and not any(border) and min(pads) >= 0
    return is_plain and explicit and bool(readers) and all(reader.op_type == "Conv" for reader in readers)


def _add_pads(conv: onnx.NodeProto, more: list[int]) -> None:
    for attribute in conv.attribute:
        if attribute.name == "pads":
            attribute.ints[:] = [a + b for a, b in zip(attribute.ints, more, strict=True)]
            return
    conv.attribute.append(onnx.helper.make_attribute("pads", more))


def write(model: onnx.ModelProto, folder: Path) -> Path:
    """The model as a file of its own folder, beside which engines put what they convert it to."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    return path
