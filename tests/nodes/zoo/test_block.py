"""Block strings: every string of the zoo survives a round trip, every broken one is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.zoo import ZooError, architecture, models
from nodes.zoo.block import Block, decode, encode

SIZES = st.lists(st.integers(1, 30), min_size=1, max_size=2).map(tuple)
CONVOLUTIONS = st.builds(
    Block,
    kind=st.sampled_from(["conv", "ds", "sep", "res", "pair", "tcs", "bc"]),
    kernel=SIZES,
    stride=SIZES,
    padding=st.sampled_from(["same", "valid", "half"]) | st.lists(st.integers(0, 9), min_size=1, max_size=2).map(tuple),
    channels=st.integers(1, 4096),
    norm=st.sampled_from(["bn", "beta", "stats", "ssn", "none"]),
    activation=st.sampled_from(["relu", "silu", "none"]),
    bias=st.booleans(),
    dilation=SIZES,
    dilation_second=SIZES,
    repeats=st.integers(1, 9),
    first=st.sampled_from(["norm", "act"]),
    rate=st.sampled_from([0.0, 0.1, 0.25]),
    inner=st.integers(0, 512),
)


@pytest.mark.parametrize("name", models())
def test_blocks_of_the_zoo_survive_a_round_trip(name: str) -> None:
    entry = models()[name]
    for text in architecture(name, input_shape=entry.input_shape, classes=entry.classes)["blocks"]:
        assert decode(encode(decode(text))) == decode(text)


@given(CONVOLUTIONS)
def test_any_convolution_survives_a_round_trip(block: Block) -> None:
    assert decode(encode(block)) == block


@pytest.mark.parametrize(
    "text",
    [
        "avg_k4",
        "max_k1x3_s2",
        "gap",
        "drop_r0.25",
        "fc",
        "fc_c128_arelu_b1",
        "gru_c20_nbn",
        "rnn_c60",
        "lstm_c8_b0",
        "max_k2_podd3",
        "bc_s2x1_d1x4_c12",
        "pair_k3_d4_e8_c45",
        "tcs_k13_c64_m2",
        "res_k9_s2_c24_i10",
        "conv_k3_d16_c45_nstats_fact",
    ],
)
def test_other_kinds_are_written_as_they_were_read(text: str) -> None:
    assert encode(decode(text)) == text


def test_decode_reads_every_option() -> None:
    assert decode("conv_k4x10_s1x2_p2x5_c100_nbeta_anone_b1") == Block(
        "conv", (4, 10), (1, 2), (2, 5), 100, "beta", "none", True
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mlp_c20", "the kind 'mlp' is unknown"),
        ("", "the kind '' is unknown"),
        ("conv_k3", "channels is missing"),
        ("conv_c16", "kernel is missing"),
        ("drop", "rate is missing"),
        ("conv_k3_c16_z4", "the option 'z4' is unknown"),
        ("conv_k3_c16_", "the option '' is unknown"),
        ("conv_kx_c16", "kernel cannot be 'x'"),
        ("conv_k0_c16", "kernel cannot be '0'"),
        ("conv_k3x3x3_c16", "kernel cannot be '3x3x3'"),
        ("conv_k3_c-1", "channels cannot be '-1'"),
        ("conv_k3_c16_pwrap", "padding cannot be 'wrap'"),
        ("conv_k3_c16_p-1", "padding cannot be '-1'"),
        ("conv_k3_c16_nlayer", "norm cannot be 'layer'"),
        ("drop_r1", "rate cannot be '1'"),
        ("drop_rnan", "rate cannot be 'nan'"),
        ("fc_b2", "bias cannot be '2'"),
        ("gru", "channels is missing"),
        ("bc_k3", "channels is missing"),
        ("pair_c8", "kernel is missing"),
        ("conv_k3_c8_d0", "dilation cannot be '0'"),
        ("tcs_k3_c8_m0", "repeats cannot be '0'"),
        ("conv_k3_c8_agelu", "activation cannot be 'gelu'"),
        ("conv_k3_c8_fx", "first cannot be 'x'"),
    ],
)
def test_a_broken_string_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(ZooError, match="block string") as caught:
        decode(text)
    assert words in caught.value.what
