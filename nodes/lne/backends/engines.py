"""The engines: ONNX Runtime, OpenVINO, ncnn, MNN, LiteRT and torch, by their cheapest call paths, one thread, fp32.

Imports stay inside, so that this module can be read anywhere. Engines that do not read ONNX, or read it badly, are
given the typed graph as a torch module (`as_torch`), whose input is the map of the graph.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from nodes.lne.backends.contender import Contender, Floats
from nodes.lne.errors import LneError

CONVERT_S = 240


def onnxruntime(model: Path, values: Floats) -> Contender:
    """ONNX Runtime with I/O binding."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    given, result = session.get_inputs()[0], session.get_outputs()[0]
    binding = session.io_binding()
    source = ort.OrtValue.ortvalue_from_numpy(values)
    binding.bind_ortvalue_input(given.name, source)
    binding.bind_output(result.name)
    session.run_with_iobinding(binding)
    target = ort.OrtValue.ortvalue_from_numpy(binding.copy_outputs_to_cpu()[0])
    binding.bind_ortvalue_output(result.name, target)
    raw, bound = session._sess, binding._iobinding
    kept = session, binding, source
    return Contender(lambda: raw.run_with_iobinding(bound, None), target.numpy, kept, source.update_inplace)


def openvino(model: Path, values: Floats) -> Contender:
    """OpenVINO with one infer request on a shared tensor."""
    import openvino as ov

    compiled = ov.Core().compile_model(
        str(model),
        "CPU",
        {
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,
        },
    )
    request = compiled.create_infer_request()
    tensor = ov.Tensor(values, shared_memory=True)
    request.set_input_tensor(tensor)
    kept = compiled, request, tensor
    return Contender(
        request.infer,
        lambda: request.get_output_tensor().data.copy(),
        kept,
        lambda other: np.copyto(tensor.data, other.reshape(values.shape)),
    )


def ncnn(model: Path, values: Floats) -> Contender:
    """ncnn, converted by pnnx, without its 16-bit storage."""
    import ncnn as engine

    module, graph = torch_module(model)
    param = _pnnx(module, graph.maps[graph.source].shape, model.parent)
    net = engine.Net()
    net.opt.num_threads = 1
    for name in (
        "use_vulkan_compute",
        "use_fp16_packed",
        "use_fp16_storage",
        "use_fp16_arithmetic",
        "use_bf16_storage",
    ):
        setattr(net.opt, name, False)
    net.load_param(str(param))
    net.load_model(str(param.with_suffix(".bin")))
    shape = graph.maps[graph.source].shape
    held = {"in": engine.Mat(values.reshape(shape)).clone()}
    last: list[Any] = [None]

    def give(other: Floats) -> None:
        held["in"] = engine.Mat(np.ascontiguousarray(other.reshape(shape))).clone()

    def call() -> None:
        extractor = net.create_extractor()
        extractor.input("in0", held["in"])
        last[0] = extractor.extract("out0")[1]

    return Contender(call, lambda: np.array(last[0]), (net,), give)


def _pnnx(module: Any, shape: tuple[int, int, int], folder: Path) -> Path:
    import torch

    jit: Any = torch.jit
    param = folder / "net.ncnn.param"
    if param.exists():
        return param
    traced = jit.trace(module, (torch.zeros(1, *shape),))
    traced.save(str(folder / "net.pt"))
    command = Path(sys.executable).parent / "pnnx"
    told = f"inputshape=[1,{','.join(map(str, shape))}]"
    _run([str(command) if command.exists() else "pnnx", "net.pt", told, "fp16=0"], folder)
    return param


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=CONVERT_S, check=False)
    if done.returncode:
        raise LneError(f"{command[0]} failed: {done.stderr[-300:]}.", "a network it can convert", "Leave it out.")


def mnn(model: Path, values: Floats) -> Contender:
    """MNN at high precision.

    It is converted by the bundled module: the command `mnnconvert` installs a telemetry package when it first runs.
    """
    import MNN as engine  # noqa: N811

    path = model.with_suffix(".mnn")
    if not path.exists():
        import _tools

        _tools.mnnconvert(
            ["mnnconvert", "-f", "ONNX", "--modelFile", str(model), "--MNNModel", str(path), "--bizCode", "x",
             "--keepInputFormat=1"]
        )  # fmt: skip
    interpreter = engine.Interpreter(str(path))
    session = interpreter.createSession(
        {"numThread": 1, "backend": "CPU", "precision": "high", "memory": "normal", "power": "high"}
    )
    kind, order = engine.Halide_Type_Float, engine.Tensor_DimensionType_Caffe
    given, result = interpreter.getSessionInput(session), interpreter.getSessionOutput(session)

    def give(other: Floats) -> None:
        given.copyFrom(engine.Tensor(values.shape, kind, np.ascontiguousarray(other.reshape(values.shape)), order))

    def output() -> Floats:
        shape = result.getShape()
        found = engine.Tensor(shape, kind, np.zeros(shape, np.float32), order)
        result.copyToHostTensor(found)
        return np.array(found.getData(), np.float32)

    give(values)
    return Contender(lambda: interpreter.runSession(session), output, (interpreter, session, given, result), give)


def litert(model: Path, values: Floats) -> Contender:
    """LiteRT with XNNPACK and a channels-last input, converted by litert-torch."""
    from ai_edge_litert.interpreter import Interpreter

    path = model.parent / "net.tflite"
    if not path.exists():
        _to_litert(model, path)
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]["index"]
    shape = tuple(given["shape"])
    _, graph = torch_module(model)

    def give(other: Floats) -> None:
        whole = other.reshape(1, *graph.maps[graph.source].shape)
        is_plain = whole.shape == shape and not _is_last(path)
        interpreter.set_tensor(given["index"], np.ascontiguousarray(whole if is_plain else whole.transpose(0, 2, 3, 1)))

    give(values)
    return Contender(interpreter.invoke, lambda: interpreter.get_tensor(result), (interpreter,), give)


def _is_last(path: Path) -> bool:
    return path.with_suffix(".last").exists()


def _to_litert(model: Path, path: Path) -> None:
    import litert_torch
    import torch

    module, graph = torch_module(model)
    c, h, w = graph.maps[graph.source].shape
    try:
        last = litert_torch.to_channel_last_io(module, args=[0]).eval()
        litert_torch.convert(last, (torch.zeros(1, h, w, c),)).export(str(path))
        path.with_suffix(".last").touch()
    except Exception:  # the converter raises anything; the plain order is its other way
        litert_torch.convert(module, (torch.zeros(1, c, h, w),)).export(str(path))


def torch_module(model: Path) -> tuple[Any, Any]:
    """The network as a torch module, and its typed graph."""
    from nodes.lne.backends.as_torch import as_torch
    from nodes.lne.reading import read_onnx

    graph = read_onnx(model).graph
    return as_torch(graph), graph


def torch_eager(model: Path, values: Floats) -> Contender:
    """torch as it is."""
    return _torch(model, values, lambda module, x: module)


def torch_script(model: Path, values: Floats) -> Contender:
    """TorchScript, frozen and optimised."""

    def made(module: Any, x: Any) -> Any:
        import torch

        jit: Any = torch.jit
        return jit.optimize_for_inference(jit.freeze(jit.trace(module, (x,))))

    return _torch(model, values, made)


def torch_compiled(model: Path, values: Floats) -> Contender:
    """torch.compile with frozen weights."""

    def made(module: Any, x: Any) -> Any:
        import torch
        import torch._inductor.config as config

        config.freezing = True
        config.cpp.threads = 1
        return torch.compile(module, fullgraph=True)

    return _torch(model, values, made)


def _torch(model: Path, values: Floats, make: Any) -> Contender:
    import torch

    torch.set_num_threads(1)
    module, graph = torch_module(model)
    x = torch.from_numpy(values.reshape(1, *graph.maps[graph.source].shape))
    with torch.no_grad():  # not for the whole process: it may train afterwards
        made, last = make(module, x), [None]

    def call() -> None:
        with torch.no_grad():
            last[0] = made(x)

    return Contender(
        call, lambda: np.asarray(last[0]), (made, x), lambda other: x.copy_(torch.from_numpy(other).reshape(x.shape))
    )
