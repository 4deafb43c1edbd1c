"""Statistics: the columns of S2's Table 1, and the check that found its slips."""

from __future__ import annotations

import numpy as np
import pytest

from nodes.dsp.stats import Statistics, minutes_disagree, statistics

# data set: samples, minutes, mean duration as printed (SEEDS section 2)
PRINTED = {
    "CCS": (725, 97.8, 6.34),
    "CSS": (893, 194.4, 13.16),
    "DEMoS": (9365, 445.6, 2.86),
    "ESS": (914, 58.7, 3.86),
    "IEMOCAP": (5531, 746.2, 4.46),
    "MPSSC": (828, 20.8, 1.51),
    "RAVDESS": (1012, 78.4, 4.65),
    "SLEEP": (16_462, 1059.8, 3.86),
}


@pytest.mark.parametrize("name", PRINTED)
def test_the_check_finds_the_slips_of_the_paper_and_only_these(name: str) -> None:
    samples, minutes, mean_s = PRINTED[name]
    assert (minutes_disagree(samples, mean_s, minutes) > 0) == (name in ("CCS", "CSS", "IEMOCAP"))


def test_how_far_off_the_slips_are() -> None:
    assert minutes_disagree(893, 13.06, 194.4) == 0 < minutes_disagree(893, 13.16, 194.4) < 1.5
    assert minutes_disagree(725, 6.34, 97.8) == pytest.approx(97.8 - 76.6, abs=0.2)
    assert minutes_disagree(5531, 4.46, 746.2) == pytest.approx(746.2 - 411.1, abs=0.7)


def test_statistics() -> None:
    duration_s = np.array([1.0, 2.0, 3.0, 6.0])
    found = statistics(duration_s, np.array(["a", "b", "a", "a"]), np.array(["x", "x", "y", ""]))
    assert found == Statistics(4, 2, 2, 0.2, 3.0, round(float(np.std(duration_s)), 4))
    assert minutes_disagree(found.clips, found.mean_s, found.minutes) == 0


def test_nothing_has_statistics_too() -> None:
    assert statistics(np.zeros(0), np.zeros(0, str), np.zeros(0, str)) == Statistics(0, 0, 0, 0.0, 0.0, 0.0)
