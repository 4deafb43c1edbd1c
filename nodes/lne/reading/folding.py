"""Nodes that can be computed beforehand, by ONNX's own reference implementation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator

Array = NDArray[Any]
RANDOM = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"}
)


def evaluate_node(node: NodeProto, inputs: Mapping[str, Array], opset: int) -> Sequence[Array]:
    """The outputs of one node for these arrays, in the node's order.

    Raises:
        ValueError: the node does not fit its operands.
    """
    names = [name for name in node.output if name]
    given = [name for name in dict.fromkeys(node.input) if name]
    graph = helper.make_graph(
        [node],
        "node",
        [helper.make_tensor_value_info(name, _kind(inputs[name]), inputs[name].shape) for name in given],
        [helper.make_value_info(name, helper.make_tensor_type_proto(TensorProto.UNDEFINED, None)) for name in names],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = ReferenceEvaluator(model).run(None, {name: inputs[name] for name in given})
        except Exception as error:  # the reference implementation raises whatever it likes
            raise ValueError(str(error) or type(error).__name__) from error
    made = dict(zip(names, found, strict=True))
    return [np.asarray(made[name]) if name else np.zeros(0) for name in node.output]


def _kind(value: Array) -> int:
    return helper.np_dtype_to_tensor_dtype(value.dtype)
