"""Which engines there are, and in which Python environment each is installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec

GROUP = "ossicle.backends"
ASK_S = 60
NEEDS = {
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
    "ncnn": ("ncnn", "pnnx", "torch"),
    "mnn": ("MNN",),
    "litert": ("ai_edge_litert", "litert_torch", "torch"),
    "torch": ("torch",),
    "torch_script": ("torch",),
    "torch_compiled": ("torch",),
    "onnxruntime_int8": ("onnxruntime",),
    "openvino_int8": ("openvino", "nncf"),
}
"""Modules of the built-in backends; of others only the entry point itself is known."""


@dataclass(frozen=True)
class Backend:
    """An engine.

    Attributes:
        function: "module:function" of what opens a network.
        python: the interpreter that has it.
    """

    name: str
    function: str
    python: str

    @property
    def is_int8(self) -> bool:
        """Whether it computes in 8 bits."""
        return self.name.endswith("_int8")


def find_backends(pythons: Iterable[str] = (), names: Sequence[str] = ()) -> list[Backend]:
    """Engines that this interpreter or one of `pythons` has, by the entry points here; of `names` only, if any."""
    known = {point.name: point.value for point in entry_points(group=GROUP)}
    wanted = {name: value for name, value in sorted(known.items()) if not names or name in names}
    here = {name for name in wanted if all(find_spec(module) for module in NEEDS.get(name, ()))}
    found = {name: Backend(name, wanted[name], sys.executable) for name in here}
    for python in pythons:
        missing = [name for name in wanted if name not in found]
        for name in _installed(python, missing):
            found[name] = Backend(name, wanted[name], python)
    return [found[name] for name in wanted if name in found]


def _installed(python: str, names: Sequence[str]) -> list[str]:
    """Which of the engines another interpreter can import."""
    modules = sorted({module for name in names for module in NEEDS.get(name, ())})
    code = f"from importlib.util import find_spec; print(*[m for m in {modules!r} if find_spec(m)])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    able = set(done.stdout.split())
    return [name for name in names if NEEDS.get(name) and set(NEEDS[name]) <= able]
