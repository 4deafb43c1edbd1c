"""The header of parameters says everything of every kind of operation, and is C."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.firmware.cpu import CPUS
from nodes.firmware.parameters import parameters_header
from nodes.firmware.program import generate
from nodes.lne.ir import Graph, Pool, Recurrent
from nodes.quant.convert import convert, watch
from nodes.quant.integer import IntConv, IntegerGraph, Scale
from nodes.quant.settings import Settings

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def network(kind: str) -> Graph:
    """A convolution, a depthwise one with a residual, a mean, a recurrent layer."""
    build, rng = Builder(8, 1, 12), np.random.default_rng(0)
    skip = build.conv(8, (1, 3))
    build.conv(8, (1, 3), groups=8, residual=skip)
    build.add(Pool("mean", (build.last,), "mean_out", kind="mean", kernel=(1, 2), stride=(1, 2)), (8, 1, 6))
    rows = GATES[kind] * 6
    weights = {"weight": rng.normal(0, 0.3, (rows, 8)), "recurrence": rng.normal(0, 0.3, (rows, 6))}
    bias = rng.normal(0, 0.1, (2, rows))
    build.add(Recurrent("cell", (build.last,), "state", kind=kind, whole=False, bias=bias, **weights), (6, 1, 1))
    return build.graph(kind)


def integers(kind: str, settings: Settings) -> IntegerGraph:
    graph = network(kind)
    clips = list(np.random.default_rng(1).normal(0.0, 1.0, (4, *graph.source_shape)))
    return convert(graph, watch(graph, clips, settings.bits), settings)


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a compiler for this machine")
@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize(
    "settings", [Settings(8), Settings(16), Settings(8, channel_scales=True)], ids=["8", "16", "scales"]
)
def test_every_array_is_c_of_its_size_and_width(kind: str, settings: Settings, tmp_path: Path) -> None:
    made = integers(kind, settings)
    text = parameters_header(generate(made, CPUS["cortex-m4"]))
    names = re.findall(r"#define (\w+) \{", text)
    widths = {name: re.findall(rf"#define {name}_BITS (\d+)", text)[0] for name in names}
    sizes = '_Static_assert(sizeof v_{0} == {0}_SIZE * {0}_BITS / 8, "{0}");'
    checks = [f"int{widths[name]}_t v_{name}[] = {name};\n{sizes.format(name)}" for name in names]
    (tmp_path / "p.h").write_text(text)
    (tmp_path / "a.c").write_text('#include <stdint.h>\n#include "p.h"\n' + "\n".join(checks))
    command = ["cc", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "a.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert len(names) >= 7 and {"CONV0_WT", "CONV0_BIAS", "CELL_WT", "CELL_RWT"} <= set(names)


def test_shifts_are_the_papers() -> None:
    """(n_i + n_w) - n_b and (n_i + n_w) - n_o of the formats, by name."""
    made = integers("rnn", Settings(8))
    text = parameters_header(generate(made, CPUS["cortex-m4"]))
    first = next(op for op in made.ops if isinstance(op, IntConv))
    assert not isinstance(first.requantise, Scale)
    assert f"#define CONV0_OUT_RSHIFT {first.requantise.right}\n" in text
    assert f"#define CONV0_BIAS_LSHIFT {first.bias_shift}\n" in text
    stored = [int(word) for word in re.findall(r"#define CONV0_BIAS \{ \\\n([^}]*)\}", text)[0].split(",")]
    assert [value << first.bias_shift for value in stored] == first.bias.tolist()


def test_a_scale_per_channel_is_two_arrays() -> None:
    text = parameters_header(generate(integers("rnn", Settings(8, channel_scales=True)), CPUS["cortex-m4"]))
    assert "#define CONV0_OUT_MULT {" in text and "#define CONV0_OUT_RSHIFTS {" in text
