"""Generated firmware, built by every compiler there is and run in emulation: equal to the reference, to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.firmware.cpu import CPUS
from nodes.firmware.errors import FirmwareError
from nodes.firmware.program import generate
from nodes.firmware.project import Memory, departures, emulate, make, write
from nodes.firmware.toolchain import Toolchain, find_toolchain, toolchains
from nodes.lne.ir import Activation, Graph, Pads, Pool, Recurrent
from nodes.quant.convert import Settings, convert, watch
from nodes.quant.fixed import codes
from nodes.quant.integer import IntegerGraph


def network() -> Graph:
    """Every kind of layer: stride, dilation, depthwise, residual, table, pools, a recurrent layer, dense."""
    build = Builder(1, 11, 9)
    build.conv(8, (3, 3), activation=Activation.TANH)
    skip = build.conv(8, (3, 3), stride=(2, 1), dilation=(1, 2))
    build.conv(8, (3, 3), groups=8)
    build.conv(8, (3, 1), residual=skip)
    build.add(Pool("most", (build.last,), "most_out", kernel=(3, 2), stride=(2, 2), pads=Pads(1, 0, 1, 0)), (8, 3, 4))
    build.add(Pool("mean", ("most_out",), "mean_out", kind="mean", kernel=(3, 1)), (8, 1, 4))
    rng = np.random.default_rng(3)
    build.add(
        Recurrent(
            "rnn", ("mean_out",), "state", kind="rnn", weight=rng.normal(0, 0.4, (6, 8)), whole=False,
            recurrence=rng.normal(0, 0.4, (6, 6)), bias=rng.normal(0, 0.1, (2, 6)),
        ),
        (6, 1, 1),
    )  # fmt: skip
    build.conv(5, (1, 1), pads=Pads(), activation=Activation.NONE)
    return build.graph("small net")


def integers(bits: int) -> tuple[IntegerGraph, list[np.ndarray]]:
    graph = network()
    clips = list(np.random.default_rng(5).normal(0.0, 1.0, (6, *graph.source_shape)))
    made = convert(graph, watch(graph, clips, bits), Settings(bits=bits))
    return made, [codes(clip[0], made.forms[made.source]) for clip in clips[:3]]


def targets() -> list[object]:
    """Every set of instructions by the best compiler, two by the others; `test_forms` runs every processor."""
    best, *others = toolchains()
    cpus = [CPUS[name] for name in ("cortex-m0", "cortex-m3", "cortex-m4", "rv32imac")]
    all_of = [(find_toolchain(None, cpu), cpu.name, 8) for cpu in cpus] + [(best, "cortex-m4", 16)]
    some = [(other, cpu, 8) for other in others for cpu in ("cortex-m0", "cortex-m4")]
    return [pytest.param(*one, id=f"{one[0].name}-{one[1]}-{one[2]}") for one in (*all_of, *some)]


@pytest.mark.parametrize(("toolchain", "cpu", "bits"), targets())
def test_every_layer_is_the_references(toolchain: Toolchain, cpu: str, bits: int, tmp_path: Path) -> None:
    made, clips = integers(bits)
    program = generate(made, CPUS[cpu])
    elf = make(toolchain, program, tmp_path, write(program, tmp_path, clips))
    found = emulate(elf, len(program.layers))
    assert departures(program, found, clips) == []
    assert found.wrong == 0
    assert len(found.instructions) == len(program.layers) and min(found.instructions) > 0
    assert 0 < found.stack_bytes < 1024


def test_the_same_network_gives_the_same_bytes() -> None:
    first, second = (generate(integers(8)[0], CPUS["cortex-m4"]) for _ in range(2))
    assert (first.source, first.header) == (second.source, second.header)


def test_a_wrong_weight_is_found_in_its_layer(tmp_path: Path) -> None:
    made, clips = integers(8)
    program = generate(made, CPUS["cortex-m4"])
    sources = write(program, tmp_path, clips)
    path = tmp_path / f"{program.name}.c"
    kept = path.read_text()
    at = kept.index("{\n  ", kept.index("_conv2_weight[")) + 4
    path.write_text(kept[:at] + "99" + kept[kept.index(",", at) :])
    found = emulate(make(find_toolchain(), program, tmp_path, sources), len(program.layers))
    assert {line.split(": ")[1] for line in departures(program, found, clips)} == {"conv2"}


def test_a_hanging_program_is_told_with_its_layer(tmp_path: Path) -> None:
    made, clips = integers(8)
    program = generate(made, CPUS["cortex-m4"])
    sources = write(program, tmp_path, clips[:1])
    path = tmp_path / f"{program.name}.c"
    path.write_text(
        path.read_text().replace(
            "_layer_1(const int8_t *x0, int8_t *o, unsigned char *s) {",
            '_layer_1(const int8_t *x0, int8_t *o, unsigned char *s) { for (;;) __asm volatile("");',
        )
    )
    with pytest.raises(FirmwareError, match=r"no end within 1 s in layer conv0 tanh of clip 0; r0="):
        names = [layer.name for layer in program.layers]
        emulate(make(find_toolchain(), program, tmp_path, sources), names, limit_s=1.0)


def test_a_target_too_small_says_which_map(tmp_path: Path) -> None:
    with pytest.raises(FirmwareError, match=r"need 1,\d+ bytes of RAM; at conv0 tanh, conv0_out"):
        generate(integers(8)[0], CPUS["cortex-m3"], ram_limit_bytes=500)
    made, clips = integers(8)
    program = generate(made, CPUS["cortex-m4"])
    sources = write(program, tmp_path, clips, Memory(flash_bytes=2048))
    with pytest.raises(FirmwareError, match="Choose a device with more memory"):
        make(find_toolchain(), program, tmp_path, sources)
