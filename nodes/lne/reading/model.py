"""From a file to a checked ONNX model: everything that can be wrong with it before its operators are looked at."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, external_data_helper, inliner, numpy_helper

from nodes.lne.errors import LneError

OPSETS = range(13, 24)
LARGEST_BYTES = 2**31 - 1
"""Of a model with its weights: what ONNX's own format can hold."""
_REAL = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)


def load_model(source: Path | str | bytes) -> ModelProto:
    """A model with one dynamic input, its weights in it, its functions written out and its nodes in order.

    Raises:
        LneError: it is no ONNX file, truncated, too large, of an opset we do not read, cyclic, or its weights are
            missing or not numbers.
    """
    content = source if isinstance(source, bytes) else _content(Path(source))
    model = _parsed(content)
    _check_opset(model)
    if not isinstance(source, bytes):
        _load_weights(model, Path(source))
    elif _external(model):
        raise LneError(
            "the weights of the ONNX model are in files of their own.", "a path, so that they can be found",
            "Give the model's path instead of its bytes.",
        )  # fmt: skip
    if model.functions:
        model = inliner.inline_local_functions(model)
    _sort(model)
    return model


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise _too_large(size)
        return path.read_bytes()
    except OSError as error:
        raise LneError(f"{path.name} cannot be read: {error.strerror}.", "an ONNX file", "Check the path.") from error


def _parsed(content: bytes) -> ModelProto:
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf's DecodeError has no types, and its C++ half raises others
        raise LneError(
            "the file is no ONNX model, or it is cut off.", "a whole .onnx file", "Export or copy it again."
        ) from error
    if not model.graph.node or not model.opset_import:
        raise LneError("the file holds no ONNX graph.", "a model with nodes and an opset", "Export it again.")
    if not all(isinstance(name, str) for name in _names(model)):
        raise LneError("names in the model are no text.", "a whole .onnx file", "Export or copy it again.")
    return model


def _names(model: ModelProto) -> Iterator[object]:
    """Everything that is called something; broken files give bytes here."""
    for node in model.graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    yield from (one.name for one in (*model.graph.initializer, *model.graph.input, *model.graph.output))
    yield from (entry.domain for entry in model.opset_import)


def opset(model: ModelProto) -> int:
    """Version of the standard operators; 0 if the model names none."""
    return next((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


def _check_opset(model: ModelProto) -> None:
    if opset(model) not in OPSETS:
        raise LneError(
            f"the model is of ONNX opset {opset(model)}.",
            f"opset {OPSETS.start} to {OPSETS.stop - 1}",
            "Export it again, or convert it with onnx.version_converter.convert_version(model, 17).",
        )


def _external(model: ModelProto) -> list[TensorProto]:
    tensors = external_data_helper._get_all_tensors(model)
    return [tensor for tensor in tensors if external_data_helper.uses_external_data(tensor)]


def _load_weights(model: ModelProto, path: Path) -> None:
    """Read the weights that lie in files of their own, unless they are missing or too large."""
    names = {_entry(tensor, "location") for tensor in _external(model)}
    if not names:
        return
    files = [path.parent / name for name in sorted(names)]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise LneError(
            f"{path.name}: its weights {', '.join(missing)} are missing.",
            "the files of weights beside the model",
            "Copy them to the same folder.",
        )
    size = sum(file.stat().st_size for file in files)
    if size > LARGEST_BYTES:
        raise _too_large(size)
    try:
        external_data_helper.load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # onnx raises many kinds here: paths outside the folder, lengths past the end
        raise LneError(
            f"{path.name}: its weights cannot be read: {error}", "whole files of weights", "Export it again."
        ) from error


def _entry(tensor: TensorProto, key: str) -> str:
    return next((entry.value for entry in tensor.external_data if entry.key == key), "")


def _too_large(size: int) -> LneError:
    return LneError(
        f"the model and its weights take {size / 2**30:.1f} GiB.",
        "less than 2 GiB, which is also ONNX's own limit for one file",
        "Use a smaller model, or run this one with onnxruntime.",
    )


def _sort(model: ModelProto) -> None:
    """Put the nodes in the order in which they are computed."""
    nodes = list(model.graph.node)
    made = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    _check_inputs(model, set(made))
    before = {index: {made[name] for name in node.input if name in made} for index, node in enumerate(nodes)}
    if all(index > max(needed, default=-1) for index, needed in before.items()):
        return
    try:
        order = list(graphlib.TopologicalSorter(before).static_order())
    except graphlib.CycleError as error:
        ring = " -> ".join(label(nodes[index], index) for index in error.args[1])
        raise LneError(
            f"the model goes in a circle: {ring}.", "nodes that read only what earlier ones make", "Export it again."
        ) from error
    del model.graph.node[:]
    model.graph.node.extend(nodes[index] for index in order)


def _check_inputs(model: ModelProto, made: set[str]) -> None:
    known = made | {value.name for value in model.graph.input} | {one.name for one in model.graph.initializer}
    known |= {sparse.values.name for sparse in model.graph.sparse_initializer}
    unknown = sorted({name for node in model.graph.node for name in node.input if name and name not in known})
    if unknown:
        raise LneError(
            f"nothing makes the tensors {', '.join(unknown[:5])}.", "a whole model", "Export or copy it again."
        )


def label(node: NodeProto, index: int) -> str:
    """A node's name, or one made of its kind and its place."""
    return node.name or f"{node.op_type}_{index}"


def constants(model: ModelProto) -> dict[str, NDArray[np.generic]]:
    """The model's weights by name.

    Raises:
        LneError: some hold values that are not numbers, or other sizes than they say.
    """
    try:
        found = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    except (TypeError, ValueError) as error:
        raise LneError(f"the weights cannot be read: {error}.", "a whole .onnx file", "Export it again.") from error
    broken = [name for name, value in found.items() if value.dtype.kind == "f" and np.isnan(value).any()]
    if broken:
        raise LneError(
            f"the weights {', '.join(broken[:5])}{' and more' if len(broken) > 5 else ''} hold NaN.",
            "finite weights",
            "Training has diverged: train again with a smaller learning rate.",
        )
    return found


def the_input(model: ModelProto, weights: Iterable[str]) -> ValueInfoProto:
    """The one tensor that is not known beforehand.

    Raises:
        LneError: there are none or several, or it does not hold real numbers.
    """
    given = set(weights)
    inputs = [value for value in model.graph.input if value.name not in given]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        names = ", ".join(value.name for value in (*inputs, *model.graph.output))
        raise LneError(
            f"the model has {len(inputs)} inputs and {len(model.graph.output)} outputs ({names}).",
            "one of each",
            "Export it with one input and one output; a state that is carried on starts from zero here.",
        )
    if inputs[0].type.tensor_type.elem_type not in _REAL:
        raise LneError(
            f"the input {inputs[0].name} does not hold real numbers.", "a float32 tensor", "Export it with one."
        )
    found: ValueInfoProto = inputs[0]
    return found


def fixed_shape(value: ValueInfoProto, asked: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape of the input; a free first axis is one clip.

    Raises:
        LneError: an axis behind the first is free, or `asked` does not fit.
    """
    axes = list(value.type.tensor_type.shape.dim)
    given = [int(axis.dim_value) if axis.HasField("dim_value") else 0 for axis in axes]
    if asked is not None:
        return _asked(value.name, given, asked)
    free = [_free(index, axes[index].dim_param) for index, size in enumerate(given) if size < 1 and index]
    if free or not given:
        raise LneError(
            f"the shape of the input {value.name} is not fixed: {', '.join(free) or 'it has none'}.",
            "every axis but the first (the batch) with a number",
            "Export it with fixed axes, or say the shape of one clip.",
        )
    return (max(1, given[0]), *given[1:])


def _free(index: int, name: str) -> str:
    return f"axis {index} is {name!r}" if name else f"axis {index} is free"


def _asked(name: str, given: list[int], asked: tuple[int, ...]) -> tuple[int, ...]:
    fits = len(asked) == len(given) or not given
    if not fits or any(has > 0 and has != wanted for has, wanted in zip(given, asked, strict=False)) or min(asked) < 1:
        raise LneError(
            f"the input {name} has the shape {tuple(size or '?' for size in given)}, not {asked}.",
            "a shape that fits the model",
            "Correct the shape.",
        )
    return asked


def free_axes(value: ValueInfoProto) -> Iterator[str]:
    """Notes about axes that were fixed by us."""
    for index, axis in enumerate(value.type.tensor_type.shape.dim):
        if not axis.HasField("dim_value"):
            yield f"axis {index} ({axis.dim_param or 'free'}) of the input {value.name} was fixed"
