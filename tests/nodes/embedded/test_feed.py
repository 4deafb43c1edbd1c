"""How networks are fed: frame after frame, patch after patch, with the same answers as the network as written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nodes.embedded.feed import Feed, feed, shared
from nodes.embedded.sequence import answer, decisions
from nodes.embedded.session import rounded
from nodes.embedded.wish import Clips, Network, Watch, Wish
from nodes.lne import reference
from nodes.lne.ir import Graph
from nodes.lne.reading import read_onnx
from nodes.quant.convert import convert, settled, watch
from nodes.quant.fixed import Fixed, codes
from nodes.quant.formats import write_formats
from nodes.quant.integer import evaluate
from nodes.quant.settings import Settings
from nodes.zoo import architecture, build, export_onnx

NETS = {"ds_cnn_s": (10, 49), "tc_resnet8": (20, 33), "seed_cnn": (16, 20), "m20k_rnn": (1, 64, 96)}


def graph_of(name: str, shape: tuple[int, ...], folder: Path) -> tuple[Graph, bytes]:
    torch.manual_seed(1)
    export_onnx(build(architecture(name, input_shape=shape, classes=5)).eval(), folder / "net.onnx")
    data = (folder / "net.onnx").read_bytes()
    return read_onnx(data).graph, data


def answer_of(graph: Graph, values: np.ndarray) -> np.ndarray:
    return reference.evaluate(graph, values)[graph.result]


@pytest.mark.parametrize("name", NETS)
def test_the_answer_stays_and_memory_is_frame_after_frame(name: str, tmp_path: Path) -> None:
    shape = NETS[name]
    graph, _ = graph_of(name, shape, tmp_path)
    fed = feed(graph)
    clip = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    (given,) = fed.inputs(clip)
    np.testing.assert_allclose(answer_of(fed.graph, given), answer_of(graph, clip.astype(np.float64)), rtol=1e-12)
    in_memory = given.transpose(1, 2, 0).ravel()
    np.testing.assert_array_equal(in_memory, clip.reshape(shape[-2:]).T.ravel())
    assert fed.pieces == 1 and not fed.twins


def network(tmp_path: Path, name: str = "m20k_rnn") -> tuple[Graph, Feed, Network]:
    graph, data = graph_of(name, (3, 64, 96), tmp_path)
    values = np.random.default_rng(4).normal(size=(3, 3, 64, 96)).astype(np.float32)
    clips = Clips(values, np.array([0, 1, 2]))
    return graph, feed(graph), Network("net", data, clips, clips)


@pytest.mark.parametrize("name", ["m20k_rnn", "m20k", "m20k_lstm"])
def test_patch_after_patch_is_the_network_over_all_of_them(name: str, tmp_path: Path) -> None:
    graph, fed, net = network(tmp_path, name)
    assert fed.pieces == 3 and fed.graph.source_shape == (1, 1, 96, 64) and len(fed.graph.ops) < len(graph.ops) / 2
    assert fed.twins["conv1"] == ("conv1.2", "conv1.3")
    made = rounded(graph, net, fed, Wish(bits=12), Watch())
    for clip in net.judged.values:
        given = np.stack([codes(piece, made.forms[made.source]) for piece in fed.inputs(clip)])
        found = answer(made, given) * made.forms[made.result].step
        wanted = answer_of(graph, clip.astype(np.float64))
        assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()


def test_integers_over_whole_clips_are_the_references(tmp_path: Path) -> None:
    """The quick way over many pieces against the reference, piece by piece."""
    graph, fed, net = network(tmp_path)
    made = rounded(graph, net, fed, Wish(), Watch())
    given = np.stack([codes(piece, made.forms[made.source]) for piece in fed.inputs(net.judged.values[0])])
    states: dict = {}
    for piece in given:
        found = evaluate(made, piece, states)[made.result]
    np.testing.assert_array_equal(answer(made, given), found)
    alone = evaluate(made, given[-1])[made.result]
    assert (alone != found).any(), "what was kept matters"


def test_decisions_count_what_changed_and_what_is_right(tmp_path: Path) -> None:
    graph, fed, net = network(tmp_path)
    made = rounded(graph, net, fed, Wish(bits=12), Watch())
    truth = np.array([int(answer_of(graph, clip.astype(np.float64)).argmax()) for clip in net.judged.values])
    judged = replace(net.judged, truth=truth)
    found = decisions(graph, fed, made, judged)
    assert found.clips == 3 and found.right["float"] == 3 and found.right["integer"] == 3 - found.changed


def test_a_step_per_channel_is_nearer_to_the_floats(tmp_path: Path) -> None:
    """On layers whose channels differ as much as random ones do, at few bits."""
    graph, data = graph_of("ds_cnn_s", (10, 49), tmp_path)
    clips = Clips(np.random.default_rng(5).normal(size=(4, 10, 49)).astype(np.float32))
    net, fed, errors = Network("net", data, clips, clips), feed(graph), []
    for wish in (Wish(bits=6), Wish(bits=6, channel_scales=True)):
        made = rounded(graph, net, fed, wish, Watch())
        lost = 0.0
        for clip in clips.values:
            (given,) = fed.inputs(clip)
            found = evaluate(made, codes(given, made.forms[made.source]))["b1.pw"] * made.forms["b1.pw"].step
            lost += float(np.square(found - reference.evaluate(fed.graph, given)["b1.pw"]).sum())
        errors.append(lost)
    assert errors[1] < errors[0]


def test_formats_of_all_patches_become_one(tmp_path: Path) -> None:
    """What a quantizing node found for each patch apart: the largest range serves all of them."""
    graph, fed, net = network(tmp_path)
    settings = settled(graph, watch(graph, net.judged.values.astype(np.float64), 8), Settings())
    wide = replace(settings, formats={**settings.formats, "conv1.2": Fixed(8, -2), "pool1.2": Fixed(8, -2)})
    write_formats(tmp_path / "fixed.json", wide, graph)
    made = rounded(graph, replace(net, formats=tmp_path / "fixed.json", calibration=None), fed, Wish(), Watch())
    assert made.forms["conv1"] == Fixed(8, -2) and made.forms["conv2"] == min(
        (settings.formats[name] for name in ("conv2", "conv2.2", "conv2.3")), key=lambda form: form.fraction
    )


@pytest.mark.parametrize("name", ["m20k_rnn", "m20k", "m20k_lstm"])
def test_in_shared_formats_the_whole_network_is_its_pieces_to_the_bit(name: str, tmp_path: Path) -> None:
    """The benchmark computes the network as written, the firmware piece by piece; patches here differ in loudness."""
    graph, fed, net = network(tmp_path, name)
    loud = net.judged.values * np.array([1.0, 16.0, 3.0], np.float32)[:, None, None]
    apart = settled(graph, watch(graph, loud.astype(np.float64), 8), Settings())
    assert len({apart.formats[one] for one in ("conv1", *fed.twins["conv1"])}) > 1, "or this shows nothing"
    settings = shared(apart, fed)
    assert shared(settings, fed) == settings
    write_formats(tmp_path / "fixed.json", settings, graph)
    whole = convert(graph, None, settings)
    pieces = rounded(graph, replace(net, formats=tmp_path / "fixed.json"), fed, Wish(), Watch())
    for clip in loud:
        given = np.stack([codes(piece, pieces.forms[pieces.source]) for piece in fed.inputs(clip)])
        wanted = evaluate(whole, codes(clip.astype(np.float64), whole.forms[whole.source]))[whole.result]
        np.testing.assert_array_equal(answer(pieces, given), wanted)
