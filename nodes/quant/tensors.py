"""Look inside an ONNX model while it runs: any tensor, block by block, at bounded memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto

Array = NDArray[np.float32]

_NOT_DATA: Final = frozenset({"Constant", "Shape", "Cast", "Gather"})


def float_tensors(model: onnx.ModelProto) -> list[str]:
    """Names of the model's float inputs and of every node's first output that carries data and is used."""
    inputs = [value.name for value in model.graph.input if value.type.tensor_type.elem_type == TensorProto.FLOAT]
    return [*inputs, *(first_output(node) for node in model.graph.node if node.op_type not in _NOT_DATA)]


def first_output(node: onnx.NodeProto) -> str:
    """The first output that the node gives; a recurrent layer may leave out the states of all steps."""
    return next(str(name) for name in node.output if name)


def watch(path: Path, names: Sequence[str], blocks: Iterable[Array], threads: int = 1) -> Iterator[Mapping[str, Array]]:
    """Values of the named tensors for every block of inputs (clips, *shape); the graph runs as written."""
    model = onnx.load(path)
    known = {value.name for value in model.graph.output}
    inputs = {value.name for value in model.graph.input}
    wanted = [name for name in names if name not in inputs]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted if name not in known)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0].name
    for block in blocks:
        values = dict(zip(wanted, session.run(wanted, {source: block}), strict=True))
        yield {name: block if name == source else values[name] for name in names}
