"""Networks of the zoo for microcontrollers: each has an integer form that decides as the float network does."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from nodes.lne import reference
from nodes.lne.ir import Graph
from nodes.lne.reading import read_onnx
from nodes.quant.convert import Settings, convert, watch
from nodes.quant.errors import QuantError
from nodes.quant.fixed import codes, reals
from nodes.quant.simulate import simulate
from nodes.zoo import architecture, build, export_onnx
from nodes.zoo.catalogue import find

NAMES = ("kws_lstm", "m20k", "m20k_lstm", "ds_kws1", "tc_resnet8", "ds_cnn_s", "bc_resnet", "res8_narrow")
"""One of every family: layers, activations and joints all others have too."""


@cache
def network(name: str, folder: Path) -> Graph:
    entry, path = find(name), folder / f"{name}.onnx"
    torch.manual_seed(0)
    export_onnx(build(architecture(name, input_shape=entry.input_shape, classes=entry.classes)).eval(), path)
    return read_onnx(path).graph


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


@pytest.mark.parametrize("name", NAMES)
def test_integers_are_close_to_the_network(name: str, folder: Path) -> None:
    graph = network(name, folder)
    clips = list(np.random.default_rng(0).normal(0.0, 1.0, (3, *graph.source_shape)))
    last = graph.ops[-1].inputs[0] if type(graph.ops[-1]).__name__ == "Softmax" else graph.result
    wanted = reference.evaluate(graph, clips[0])[last].ravel()
    for settings, least_db in ((Settings(8), 25.0), (Settings(8, channel_scales=True), 25.0), (Settings(16), 60.0)):
        made = convert(graph, watch(graph, clips, settings.bits), settings)
        given = codes(clips[0].reshape(1, *made.maps[made.source].shape), made.forms[made.source])
        found = reals(simulate(made, given), made.forms[made.result]).ravel()
        lost = np.square(found - wanted).sum()
        assert 10.0 * np.log10(np.square(wanted).sum() / lost) > least_db, settings


def test_what_a_network_for_pictures_has_besides_is_listed(folder: Path) -> None:
    graph = network("deepspectrum_squeezenet1_1", folder)
    with pytest.raises(QuantError, match=r"no integer form of [\w.]+ \(divide\)"):
        convert(graph, watch(graph, [np.ones(graph.source_shape)], 8))
