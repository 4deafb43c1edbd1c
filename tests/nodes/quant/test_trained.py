"""Fixed point while learning: rounded as the integers are, gradients straight through, written and read back alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from lne_graphs import Builder

from nodes.lne import reference
from nodes.lne.ir import Activation, Affine, Binary, Concat, Conv, Graph, Pads, Pool, Rearrange, Recurrent, Softmax
from nodes.lne.reading import read_onnx
from nodes.quant.convert import Settings, convert, settled, watch
from nodes.quant.errors import QuantError
from nodes.quant.fixed import Fixed, by_overload, codes, decibels, reals
from nodes.quant.formats import FIXED_FILE, integer_graph, write_formats
from nodes.quant.simulate import answers
from nodes.quant.trained import Rounded, rounded
from nodes.quant.trained_onnx import check_read_back, same_structure, write_onnx
from nodes.zoo import architecture, build, export_onnx

ZOO = {"tc_resnet8": (20, 49), "ds_cnn_s": (10, 49), "m20k_rnn": (1, 64, 96), "m20k": (1, 64, 96), "kws_lstm": (8, 12)}


def recurrent(kind: str, gates: int, whole: bool, reverse: bool = False) -> Graph:
    """A layer over the columns of a map, and a dense one behind it."""
    build, rng, units = Builder(3, 1, 5), np.random.default_rng(1), 4
    build.add(
        Recurrent(
            "cell", ("input",), "state", kind=kind, weight=rng.normal(0, 0.5, (gates * units, 3)), whole=whole,
            recurrence=rng.normal(0, 0.5, (gates * units, units)), bias=rng.normal(0, 0.2, (2, gates * units)),
            reverse=reverse,
        ),
        (units, 1, 5 if whole else 1),
    )  # fmt: skip
    build.conv(3, (1, 5 if whole else 1), pads=Pads(), activation=Activation.NONE)
    return build.graph()


def mixed() -> Graph:
    """Every other operation, with the names that the reader gives to moves."""
    build = Builder(2, 9, 8)
    first = build.conv(6, (3, 3), activation=Activation.SWISH, scaled=True)
    build.conv(6, (3, 3), residual=first, residual_last=True)
    build.conv(6, (3, 3), groups=6, dilation=(2, 1), activation=Activation.RELU6)
    build.conv(6, (1, 1), pads=Pads(), residual=first, activation=Activation.HARD_SWISH)
    scale, shift = build.rng.normal(1, 0.5, 6), build.rng.normal(0, 1, 6)
    affine = Affine("affine", (build.last,), "lines", scale=scale, shift=shift, activation=Activation.RELU)
    build.add(affine, (6, 9, 8))
    build.add(Binary("times", (build.last, first), "product", kind="multiply"), (6, 9, 8))
    build.add(Pool("most", (build.last,), "peak", kind="max", kernel=(2, 3), stride=(2, 2), pads=Pads(0, 1)), (6, 4, 4))
    build.add(
        Pool("thin", (build.last,), "mean", kind="mean", kernel=(3, 2), stride=(1, 2), pads=Pads(1, 0, 1)), (6, 4, 2)
    )
    build.last = "peak"
    build.conv(6, (1, 3), stride=(1, 2))
    build.add(Concat("conv10.joined", ("mean", build.last), "conv10.joined", axis="w"), (6, 4, 4))
    build.conv(6, (1, 1), pads=Pads())
    table = np.arange(96, dtype=np.int32).reshape(6, 4, 4).transpose(1, 0, 2).ravel()
    build.add(Rearrange("conv12.view", (build.last,), "conv12.view", table=table), (4, 6, 4))
    build.conv(5, (6, 4), pads=Pads(), activation=Activation.NONE)
    build.add(Softmax("softmax", (build.last,), "result"), (5, 1, 1))
    return build.graph()


GRAPHS = {
    "mixed": mixed(),
    "rnn": recurrent("rnn", 1, whole=False),
    "rnn_backwards": recurrent("rnn", 1, whole=True, reverse=True),
    "gru": recurrent("gru", 3, whole=True),
    "lstm": recurrent("lstm", 4, whole=False),
}


def clips(graph: Graph, count: int = 8) -> np.ndarray:
    return np.random.default_rng(2).normal(0, 1, (count, *graph.source_shape[1:])).astype(np.float32)


def zoo(name: str, folder: Path) -> Graph:
    torch.manual_seed(0)
    network = build(architecture(name, input_shape=ZOO[name], classes=5)).eval()
    export_onnx(network, folder / "model.onnx")
    return read_onnx(folder / "model.onnx").graph


def without_softmax(graph: Graph) -> str:
    last = graph.ops[-1]
    return last.inputs[0] if isinstance(last, Softmax) else graph.result


@pytest.mark.parametrize("name", GRAPHS)
def test_without_rounding_it_is_the_float_network(name: str) -> None:
    graph = GRAPHS[name]
    found = Rounded(graph, Settings(), rounds=False)(torch.from_numpy(clips(graph, 3))).detach().numpy()
    for clip, logits in zip(clips(graph, 3), found, strict=True):
        assert np.allclose(logits, reference.evaluate(graph, clip)[without_softmax(graph)].ravel(), atol=1e-5)


@pytest.mark.parametrize("name", [*GRAPHS, *ZOO])
def test_what_is_written_is_read_as_the_same_graph(name: str, tmp_path: Path) -> None:
    graph = GRAPHS[name] if name in GRAPHS else zoo(name, tmp_path)
    write_onnx(graph, tmp_path / "written.onnx")
    again = read_onnx(tmp_path / "written.onnx").graph
    check_read_back(tmp_path / "written.onnx", graph, again)
    session = onnxruntime.InferenceSession(tmp_path / "written.onnx")
    found = session.run(None, {session.get_inputs()[0].name: clips(graph, 2)})[0]
    for clip, result in zip(clips(graph, 2), found, strict=True):
        assert np.allclose(result.ravel(), reference.evaluate(graph, clip)[graph.result].ravel(), atol=1e-5)
        assert result.shape == graph.result_shape[1:]
    write_onnx(again, tmp_path / "twice.onnx")
    assert (tmp_path / "twice.onnx").read_bytes() == (tmp_path / "written.onnx").read_bytes()


@pytest.mark.parametrize("name", GRAPHS)
def test_what_was_learnt_is_in_the_graph(name: str) -> None:
    """Every weight moves, also of the pieces that an operation is split into."""
    graph = GRAPHS[name]
    network = Rounded(graph, Settings(), rounds=False)
    with torch.no_grad():
        for value in network.parameters():
            value.mul_(1.25)
    for before, after in zip(graph.ops, network.learnt().ops, strict=True):
        for part in ("weight", "recurrence", "bias", "scale", "shift"):
            values = getattr(before, part, None)
            if values is not None:
                assert np.allclose(getattr(after, part), 1.25 * values), (before.name, part)


def test_another_graph_is_told(tmp_path: Path) -> None:
    graph = GRAPHS["mixed"]
    other = replace(graph, ops=(replace(graph.ops[0], name="else"), *graph.ops[1:]))
    assert same_structure(graph, other)
    with pytest.raises(QuantError, match="another network"):
        check_read_back(tmp_path / "model.onnx", graph, other)


@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize("bits", [4, 6, 8])
def test_it_rounds_as_the_integers_do(bits: int, by_channel: bool) -> None:
    """But for sums at the edge between two codes: multipliers of 31 bits put more of these on the other side."""
    build = Builder(2, 10, 9)
    first = build.conv(6, (3, 3), stride=(2, 1), activation=Activation.HARD_SWISH)
    build.conv(6, (3, 3), groups=6)
    build.conv(6, (1, 1), pads=Pads(), residual=first)
    build.add(Pool("mean", (build.last,), "thin", kind="mean", kernel=(5, 3), stride=(5, 3)), (6, 1, 3))
    build.conv(8, (1, 3), pads=Pads(), activation=Activation.NONE)
    graph = build.graph()
    settings = settled(graph, watch(graph, clips(graph, 64), bits), Settings(bits, channel_scales=by_channel))
    made = convert(graph, None, settings)
    wanted = next(answers(made, [clips(graph, 64)]))
    found = Rounded(graph, settings)(torch.from_numpy(clips(graph, 64))).detach().numpy()
    apart = np.abs(found - wanted) / made.forms[made.result].step
    assert (apart > 0.5).mean() <= (0.25 if by_channel else 0.05) and apart.max() <= (2.5 if by_channel else 1.5)


@pytest.mark.parametrize("form", [Fixed(8, 5), Fixed(3, -1), Fixed(16, 12)])
def test_codes_are_those_of_the_kernels(form: Fixed) -> None:
    """Halves go up; of wide codes the largest have no room for halves in float32, so these are asked for quarters."""
    most = 2 * form.high + 4
    halves = (np.arange(-most, most) * 0.5 + (0.25 if form.bits > 8 else 0.0)) * form.step
    wanted = reals(codes(halves, form), form)
    assert (rounded(torch.from_numpy(halves).float(), form).numpy() == wanted).all()


def test_the_gradient_passes_but_where_a_value_is_clipped() -> None:
    x = torch.tensor([-9.0, -0.3, 0.3, 9.0], requires_grad=True)
    rounded(x, Fixed(8, 5), low=0).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 0.0, 1.0, 0.0]


def test_weights_that_are_zero_stay_zero() -> None:
    build = Builder(2, 4, 4)
    build.conv(4)
    build.conv(3, (4, 4), pads=Pads(), activation=Activation.NONE)
    graph = build.graph()
    op = graph.ops[0]
    assert isinstance(op, Conv)
    pruned = replace(op, weight=np.where(np.abs(op.weight) < 0.2, 0.0, op.weight))
    graph = replace(graph, ops=(pruned, *graph.ops[1:]))
    settings = settled(graph, watch(graph, clips(graph), 8), Settings())
    network = Rounded(graph, settings)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(3):
        network(torch.from_numpy(clips(graph))).square().sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    learnt = network.learnt().ops[0]
    assert isinstance(learnt, Conv)
    assert (learnt.weight == 0).sum() >= (pruned.weight == 0).sum() > 10
    assert (learnt.weight[pruned.weight == 0] == 0).all() and not np.allclose(learnt.weight, pruned.weight)


REAL = {**ZOO, "m20k_lstm": (1, 64, 96), "seed_cnn": (40, 49), "bc_resnet": (40, 25), "res8_narrow": (20, 25)}


@pytest.mark.parametrize("name", REAL)
def test_real_networks_learn_and_come_back(name: str, tmp_path: Path) -> None:
    """From the graph over a step of learning to a file, its integers, and their answers."""
    torch.manual_seed(0)
    export_onnx(build(architecture(name, input_shape=REAL[name], classes=5)).eval(), tmp_path / "model.onnx")
    graph = read_onnx(tmp_path / "model.onnx").graph
    given = clips(graph, 2)
    settings = settled(graph, watch(graph, given, 8), Settings())
    network = Rounded(graph, settings)
    network(torch.from_numpy(given)).square().sum().backward()  # type: ignore[no-untyped-call]
    assert all(value.grad is not None and value.grad.isfinite().all() for value in network.parameters())
    torch.optim.SGD(network.parameters(), 1e-3).step()
    learnt = network.learnt()
    write_onnx(learnt, tmp_path / "learnt.onnx")
    read = read_onnx(tmp_path / "learnt.onnx").graph
    check_read_back(tmp_path / "learnt.onnx", graph, read)
    write_formats(tmp_path / FIXED_FILE, settings, read)
    (tmp_path / "learnt.onnx").rename(tmp_path / "model.onnx")
    made = integer_graph(tmp_path / "model.onnx")
    wanted = Rounded(read, settings, rounds=False)(torch.from_numpy(given)).detach().numpy()
    found = next(answers(made, [given]))
    assert np.square(found - wanted).sum() <= 0.05 * np.square(wanted).sum()


@pytest.mark.parametrize("bias_bits", [8, 32])
def test_biases_are_rounded_as_they_are_stored(bias_bits: int, tmp_path: Path) -> None:
    """A dense layer of weights that are codes already: only the bias is rounded."""
    build = Builder(2, 1, 1)
    build.conv(3, (1, 1), pads=Pads(), activation=Activation.NONE)
    graph = build.graph()
    op = graph.ops[0]
    assert isinstance(op, Conv)
    graph = replace(graph, ops=(replace(op, weight=np.round(op.weight * 8) / 8, bias=op.bias * 3.3),))
    settings = settled(graph, watch(graph, clips(graph), 8), Settings(8, bias_bits, by_overload))
    found = Rounded(graph, settings)(torch.from_numpy(clips(graph))).detach().numpy()
    assert (found == next(answers(convert(graph, None, settings), [clips(graph)]))).all()


def test_learning_in_few_bits_wins_back_what_rounding_lost() -> None:
    """The float network's own answers are the aim: in 3 bits the distance to them falls by half or more."""
    build = Builder(2, 6, 6)
    build.conv(12)
    build.conv(12)
    build.conv(4, (6, 6), pads=Pads(), activation=Activation.NONE)
    graph = build.graph()
    given = clips(graph, 64)
    settings = settled(graph, watch(graph, given, 3), Settings(3))
    network, x = Rounded(graph, settings), torch.from_numpy(given)
    with torch.no_grad():
        wanted = Rounded(graph, settings, rounds=False)(x)
    with torch.no_grad():
        before = float((network(x) - wanted).square().sum())
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        (network(x) - wanted).square().mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    learnt = convert(network.learnt(), None, settings)
    after = float(np.square(next(answers(learnt, [given])) - wanted.numpy()).sum())
    assert decibels(before / after) >= 3.0


def test_a_layer_that_is_called_for_every_patch_is_learnt_once(tmp_path: Path) -> None:
    torch.manual_seed(0)
    export_onnx(build(architecture("m20k_rnn", input_shape=(2, 64, 96), classes=5)).eval(), tmp_path / "model.onnx")
    graph = read_onnx(tmp_path / "model.onnx").graph
    given = clips(graph, 2)
    network = Rounded(graph, settled(graph, watch(graph, given, 8), Settings()))
    network(torch.from_numpy(given)).square().sum().backward()  # type: ignore[no-untyped-call]
    torch.optim.SGD(network.parameters(), 1e-3).step()
    learnt = {op.name: op for op in network.learnt().ops}
    old = next(op for op in graph.ops if op.name == "conv3")
    first, second = learnt["conv3"], learnt["conv3.2"]
    assert isinstance(old, Conv) and isinstance(first, Conv) and isinstance(second, Conv)
    assert not np.array_equal(old.weight, first.weight)
    np.testing.assert_array_equal(first.weight, second.weight)
    np.testing.assert_array_equal(first.bias, second.bias)
