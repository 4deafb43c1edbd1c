"""Small packages for tests of folders: a network that hears clips of a quarter of a second."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lne_graphs import Builder
from numpy.typing import NDArray

from nodes.dsp.parameters import FrontEnd
from nodes.lne import TARGETS, Graph, Plan, Task, candidates, casts, make_plan
from nodes.lne.ir import Activation, Pads
from nodes.lne.package import Package, make_package
from nodes.lne.reference import evaluate
from nodes.lne.target import can_run

Floats = NDArray[np.float32]
FRONT_END = FrontEnd(
    rate_hz=8000, clip_samples=2000, window_samples=256, hop_samples=160, fft_samples=256,
    n_mels=20, f_min_hz=60.0, f_max_hz=3900.0, n_mfcc=8,
)  # fmt: skip
LABELS = ("yes", "no", 'a "quoted" \\ word', "größer", "??=")
SIZES = {"input": (1, *FRONT_END.shape[:1], 1, FRONT_END.shape[1]), "output": (1, len(LABELS), 1, 1)}
"""Shapes as the network has them."""
LEVELS = tuple(name for name in ("avx512", "avx2", "c") if can_run(TARGETS[name]))


def small_graph(channels: int = 12, seed: int = 0) -> Graph:
    """Two convolutions and a fully connected layer on the features of `FRONT_END`."""
    coefficients, frames = FRONT_END.shape
    build = Builder(coefficients, 1, frames, seed=seed)
    build.conv(channels, (1, 3))
    build.conv(len(LABELS), (1, frames), pads=Pads(), activation=Activation.NONE)
    return build.graph("small")


def small_plan(graph: Graph, target: str) -> Plan:
    """The cheapest choice by estimate."""
    found = TARGETS[target]
    choices = {op.name: candidates(Task(op, graph, found))[0] for op in graph.ops}
    return make_plan(graph, found, choices, casts())


def small_package(name: str = "small", levels: Sequence[str] = LEVELS, seed: int = 0) -> Package:
    """A network with its front end and labels."""
    graph = small_graph(seed=seed)
    return make_package(name, [small_plan(graph, target) for target in levels], FRONT_END, LABELS)


def features(seed: int = 1) -> Floats:
    """A random input."""
    return np.random.default_rng(seed).standard_normal(SIZES["input"]).astype(np.float32)


def wanted(values: Floats, seed: int = 0) -> Floats:
    """What the network of a seed makes of it."""
    graph = small_graph(seed=seed)
    return evaluate(graph, values.astype(np.float64))[graph.result].reshape(SIZES["output"]).astype(np.float32)


def speech(recordings: Path) -> Floats:
    """A spoken digit, 8 kHz."""
    samples: Floats = soundfile.read(recordings / "fsdd" / "recordings" / "7_theo_3.wav", dtype="float32")[0]
    return samples


def build(folder: Path, name: str, way: str) -> None:
    """Build a folder's library as a user would."""
    if way == "cmake" and shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    units = [path.name for path in folder.glob(f"{name}*.c")]
    there = f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={folder}"
    commands = {
        "plain cc": [["cc", "-O3", "-shared", "-fPIC", *units, "-lm", "-o", f"lib{name}.so"]],
        "make": [["make", f"lib{name}.so"]],
        "cmake": [["cmake", there, "-B", "build"], ["cmake", "--build", "build", "--target", name]],
    }
    for command in commands[way]:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
