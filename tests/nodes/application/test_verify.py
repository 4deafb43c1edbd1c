"""Verification finds a bundle that differs from its reference."""

from dataclasses import replace

import numpy as np
import pytest

from engine import FeatureSet
from engine.audio import read_features, table_of
from nodes.application import open_application
from nodes.application.bundle import Bundle
from nodes.application.verify import verify
from nodes.dsp.frontend import compute


def test_a_sound_bundle(digit_bundle: Bundle, digit_features: FeatureSet) -> None:
    """On stored features only the engine's optimisations differ: rounding."""
    rows = table_of(digit_features).subset == "testing"
    found = verify(open_application(digit_bundle), read_features(digit_features, rows), None, is_real=True)
    assert found.scope == "network" and found.clips == "recordings" and found.count == int(rows.sum())
    assert 0 <= found.error < 1e-4 * found.logit_range
    assert found.agreement == 1.0


@pytest.mark.parametrize("hop_samples", [160, 161])
def test_a_wrong_front_end_is_seen(digit_bundle: Bundle, hop_samples: int) -> None:
    """One sample more per hop gives the same shape and other logits: only the comparison can tell."""
    front_end = digit_bundle.front_end
    waves = np.random.default_rng(0).uniform(-0.5, 0.5, (8, front_end.clip_samples)).astype(np.float32)
    shipped = replace(digit_bundle, front_end=replace(front_end, hop_samples=hop_samples))
    assert shipped.front_end.shape == front_end.shape
    found = verify(open_application(shipped), compute(front_end, waves), waves, is_real=False)
    assert found.scope == "front end and network" and found.clips == "noise"
    assert (found.error < 1e-4 * found.logit_range) == (hop_samples == 160)
