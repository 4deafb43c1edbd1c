"""Formats as a file: what is written converts alike without clips; hostile and foreign files are told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne.ir import Activation, Graph, Map, Pads, Pool, Softmax
from nodes.quant.convert import Settings, convert, settled, watch
from nodes.quant.errors import QuantError
from nodes.quant.fixed import Fixed, by_overload, by_sqnr, codes
from nodes.quant.formats import FIXED_FILE, described, read_formats, rule_of, write_formats
from nodes.quant.integer import evaluate


def network(channels: int = 4) -> Graph:
    """A convolution, a pool that keeps its format, an output with a softmax."""
    build = Builder(2, 8, 6)
    build.conv(channels)
    build.add(Pool("pool", (build.last,), "pooled", kind="max", kernel=(2, 2), stride=(2, 2)), (channels, 4, 3))
    build.conv(3, (4, 3), pads=Pads(), activation=Activation.NONE)
    build.maps["result"] = Map("result", 3)
    build.add(Softmax("softmax", (build.last,), "result"), (3, 1, 1))
    return build.graph()


def clips(graph: Graph) -> list[np.ndarray]:
    return list(np.random.default_rng(1).normal(0, 2, (6, *graph.source_shape)))


def written(path: Path, **changes: Any) -> Path:
    graph = network()
    settings = settled(graph, watch(graph, clips(graph), 8), Settings())
    write_formats(path, settings, graph)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return path


@pytest.mark.parametrize("bits", [5, 8, 16])
@pytest.mark.parametrize("bias_bits", [8, 32])
@pytest.mark.parametrize("rule", [by_sqnr, by_overload, rule_of("overload", 0.01)])
def test_a_network_is_converted_alike_without_clips(rule: Any, bits: int, bias_bits: int, tmp_path: Path) -> None:
    graph, path = network(), tmp_path / FIXED_FILE
    tensors = watch(graph, clips(graph), bits)
    given = settled(graph, tensors, Settings(bits, bias_bits, rule))
    write_formats(path, given, graph)
    read = read_formats(path, graph)
    assert read.formats == given.formats and (read.bits, read.bias_bits) == (bits, bias_bits)
    assert described(read.rule) == described(rule)
    once, again = convert(graph, tensors, Settings(bits, bias_bits, rule)), convert(graph, None, read)
    source = codes(clips(graph)[0][0], once.forms[once.source])
    assert once.forms == again.forms
    assert (evaluate(once, source)[once.result] == evaluate(again, source)[again.result]).all()


def test_scales_per_channel_are_remembered(tmp_path: Path) -> None:
    graph = network()
    settings = settled(graph, watch(graph, clips(graph), 8), Settings(channel_scales=True))
    write_formats(tmp_path / "f", settings, graph)
    read = read_formats(tmp_path / "f", graph)
    assert read.channel_scales
    once, again = convert(graph, None, settings), convert(graph, None, read)
    source = codes(clips(graph)[0][0], once.forms[once.source])
    assert (evaluate(once, source)[once.result] == evaluate(again, source)[again.result]).all()


def test_equal_settings_give_equal_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "one").read_bytes() == written(tmp_path / "two").read_bytes()


def test_formats_set_by_hand_are_kept(tmp_path: Path) -> None:
    graph = network()
    hand = {"conv0 weight": Fixed(4, 2), "conv0_out": Fixed(6, 1)}
    settings = settled(graph, watch(graph, clips(graph), 8), Settings(formats=hand))
    write_formats(tmp_path / "f", settings, graph)
    read = read_formats(tmp_path / "f", graph)
    assert {name: read.formats[name] for name in hand} == hand
    assert read.formats["pooled"] == Fixed(6, 1), "a maximum keeps the format of what it reads"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "quantization"}, "kind 'quantization'"),
        ({"version": 2}, "version 2"),
        ({"bits": 17}, "bits is 17"),
        ({"bits": True}, "bits is True"),
        ({"bias_bits": 1}, "bias_bits is 1"),
        ({"rule": "sqnr"}, "no rule"),
        ({"rule": {"name": "magic"}}, "magic"),
        ({"rule": {"name": "overload", "threshold": 2}}, "threshold is 2"),
        ({"rule": {"name": "overload", "threshold": "x"}}, "threshold is 'x'"),
        ({"channel_scales": 1}, "channel_scales"),
        ({"maps": []}, "no maps"),
        ({"maps": {"input": [8]}}, "format of 'input'"),
        ({"maps": {"input": [8, 1.5]}}, "format of 'input'"),
        ({"maps": {"input": [8, 1000]}}, "format of 'input'"),
        ({"weights": {"w": [99, 0]}}, "format of 'w'"),
        ({"maps": {"n" * 1000: [8, 3]}}, "format of 'nnn"),
        ({"maps": {}}, "no format of input, conv0_out, pooled"),
    ],
)
def test_hostile_files_are_told_in_three_parts(changes: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(QuantError, match=told) as caught:
        read_formats(written(tmp_path / FIXED_FILE, **changes), network())
    assert caught.value.expected and caught.value.remedy


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[1]", "null", "{", "\xff\xfe", '{"kind": NaN}', " " * (5 << 20)])
def test_what_is_no_such_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / FIXED_FILE
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(QuantError, match=FIXED_FILE):
        read_formats(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(QuantError, match="cannot be read"):
        read_formats(tmp_path / FIXED_FILE)


def test_the_file_of_another_network_is_refused(tmp_path: Path) -> None:
    graph = network()
    renamed = replace(graph, ops=(replace(graph.ops[0], name="other"), *graph.ops[1:]))
    with pytest.raises(QuantError, match="no format of other weight"):
        read_formats(written(tmp_path / FIXED_FILE), renamed)


def test_incomplete_settings_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(QuantError, match="no format of input"):
        write_formats(tmp_path / FIXED_FILE, Settings(), network())
    assert not list(tmp_path.iterdir())


def test_without_statistics_and_formats_nothing_is_converted() -> None:
    with pytest.raises(QuantError, match="no format of input"):
        convert(network(), None)
