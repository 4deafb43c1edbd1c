"""The measured limits."""

from __future__ import annotations

import pytest

from nodes.lne import TARGETS, LneError
from nodes.lne.peak import measure_peak
from nodes.lne.target import Target, can_run

RUNNABLE = [target for target in TARGETS.values() if can_run(target)]


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
def test_a_core_does_billions_of_operations(target: Target) -> None:
    peak = measure_peak(target)
    assert 0.5 < peak.fp32 < 1000
    assert (peak.int8 > peak.fp32) == ("vnni" in target.features)


def test_wider_vectors_are_not_slower() -> None:
    wide = [measure_peak(target).fp32 for target in RUNNABLE if target.vector >= 8]
    if len(wide) < 2:
        pytest.skip("this machine has one width only")
    assert max(wide) >= 1.5 * measure_peak(TARGETS["c"]).fp32


def test_a_target_this_machine_cannot_run_is_told() -> None:
    with pytest.raises(LneError, match="cannot run"):
        measure_peak(next(target for target in TARGETS.values() if not can_run(target)))
