"""The whole way with the paper's network: patches, a state between them, its front end, both compilers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nodes.dsp.presets import PRESETS
from nodes.embedded.report import told
from nodes.embedded.session import build
from nodes.embedded.wish import Clips, Network, Watch, Wish
from nodes.firmware.toolchain import Toolchain, toolchains
from nodes.zoo import architecture, export_onnx
from nodes.zoo import build as build_network


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """M20k as deployed, over three patches."""
    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    export_onnx(build_network(architecture("m20k_rnn_pad3x3", input_shape=(3, 64, 96), classes=10)).eval(), path)
    rng = np.random.default_rng(3)
    clips = Clips(rng.normal(-1.0, 2.0, (3, 3, 64, 96)).astype(np.float32), np.array([0, 1, 2]))
    front_end = PRESETS["s3-96x64"]
    samples = rng.normal(0.0, 3000.0, front_end.clip_samples).astype(np.int16)
    return Network("m20k", path.read_bytes(), clips, clips, front_end=front_end, recording=samples)


@pytest.mark.parametrize("toolchain", toolchains(), ids=lambda one: one.name)
def test_m20k_over_patches_hears_and_equals_the_reference(
    toolchain: Toolchain, network: Network, tmp_path: Path
) -> None:
    """A call of a layer that GCC once took for one without effect is among these."""
    said: list[float] = []
    made = build(network, Wish(toolchain=toolchain.name), tmp_path, Watch(lambda share, _words: said.append(share)))
    assert made.parity.is_exact and made.parity.answers.clips == 9
    assert made.decisions is not None and made.decisions.clips == 3
    assert made.answers == 3, "one for each patch of the recording, the state kept"
    report = told(made)
    assert report["published"]["is_whole"] and report["totals"]["state_bytes"] > 0
    assert said == sorted(said) and said[-1] <= 1.0
