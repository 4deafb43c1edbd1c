"""A repository served over HTTP, with faults on demand, and tiny deployments to publish."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from nodes.hub.release.bundle import make_bundle, name_of
from nodes.hub.release.client import Follower, Patience
from nodes.hub.release.health import golden_of
from nodes.hub.release.repository import Repository

FRONT_END = {
    "rate_hz": 8000, "clip_samples": 4000, "window_samples": 256, "hop_samples": 160, "fft_samples": 256,
    "n_mels": 16, "f_min_hz": 60.0, "f_max_hz": 3900.0, "n_mfcc": 8,
}  # fmt: skip
SHAPE = (8, 24)


def deployment(folder: Path, bias: float = 0.0) -> Path:
    """A deployment of a network of one layer; another bias is another model."""
    folder.mkdir(parents=True)
    weight = np.random.default_rng(1).normal(0, 0.02, (2, SHAPE[0] * SHAPE[1])).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["y"], transB=1),
    ]
    weights = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.array([bias, 0], np.float32), "b")]
    graph = helper.make_graph(
        nodes, "little",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *SHAPE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])], weights,
    )  # fmt: skip
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    assert isinstance(onnx.load_model_from_string(data), onnx.ModelProto)
    (folder / "model.onnx").write_bytes(data)
    described = {
        "format": 1, "name": "little", "target": "onnxruntime", "labels": ["yes", "no"], "front_end": FRONT_END,
        "input_shape": list(SHAPE), "precision": "float32", "listening": {"hop_s": 0.25, "smoothing": 1},
        "files": {"model.onnx": {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}},
    }  # fmt: skip
    (folder / "deployment.json").write_text(json.dumps(described))
    return folder


def bundle(folder: Path, bias: float = 0.0, golden: dict[str, Any] | None = None) -> tuple[str, bytes]:
    """Name and bytes of a bundle."""
    made = deployment(folder, bias)
    data = make_bundle(made, golden if golden is not None else golden_of(made))
    return name_of(data, "little"), data


@dataclass
class Served:
    """A repository and the server that devices read; `faults` by the end of a path."""

    repository: Repository
    keys: Path
    url: str
    faults: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def follower(self, folder: Path, device: str = "kitchen", **changes: Any) -> Follower:
        """A device that follows the stable channel."""
        patience = Patience(answer_s=2.0, whole_s=3.0)
        made = Follower(device, self.url, self.repository.root_bytes(), folder, patience=patience)
        return replace(made, **changes)


class _Answers(SimpleHTTPRequestHandler):
    """Files, or what a fault says."""

    def __init__(self, served: Served, *arguments: Any, **named: Any) -> None:
        self.served = served
        super().__init__(*arguments, **named)

    def do_GET(self) -> None:
        self.served.asked.append(self.path)
        fault = next((found for end, found in self.served.faults.items() if self.path.endswith(end)), None)
        if fault is None:
            super().do_GET()
        else:
            fault(self)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """A new repository, served."""
    repository, keys = Repository(folder / "repository"), folder / "keys"
    repository.create(keys)
    found = Served(repository, keys, "")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Answers, found, directory=str(repository.folder)))
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


def cut_after(data: bytes, count: int) -> Any:
    """A fault: the line breaks after so many bytes."""

    def answer(request: SimpleHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[:count])
        request.wfile.flush()
        request.connection.close()

    return answer


def instead(data: bytes) -> Any:
    """A fault: other bytes."""

    def answer(request: SimpleHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    return answer


def endless(request: SimpleHTTPRequestHandler) -> None:
    """A fault: bytes without an end."""
    request.send_response(200)
    request.end_headers()
    try:
        while True:
            request.wfile.write(b"x" * 65536)
    except OSError:
        pass


def drip(request: SimpleHTTPRequestHandler) -> None:
    """A fault: a byte now and then, for ever."""
    import time

    request.send_response(200)
    request.send_header("Content-Length", "1000000")
    request.end_headers()
    try:
        while True:
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass
