"""The rule that chooses between edge and cloud."""

import pytest

from nodes.hub.choice import Figures, Wishes, choose

EDGE = Figures(delay_ms=60.0, bytes_per_hour=20_000.0, cpu_percent=3.0, sends_sound=False)
CLOUD = Figures(delay_ms=90.0, bytes_per_hour=40e6, cpu_percent=8.0, sends_sound=True)
TINY = Figures(delay_ms=900.0, bytes_per_hour=20_000.0, cpu_percent=95.0, sends_sound=False)
DEAF = Figures(delay_ms=None, bytes_per_hour=10.0, cpu_percent=1.0, sends_sound=False)


@pytest.mark.parametrize(
    ("edge", "wishes", "where", "lesser", "said"),
    [
        (EDGE, Wishes(), "edge", "edge", "edge sends less"),
        (EDGE, Wishes(keeps_sound_private=True), "edge", "edge", "cloud: sound leaves the device"),
        (TINY, Wishes(cpu_percent=50.0), "cloud", "cloud", "edge: CPU 95 % of a core, wished at most 50"),
        (TINY, Wishes(delay_ms=300.0, bytes_per_hour=100e6), "cloud", "cloud", "edge: delay 900 ms"),
        (EDGE, Wishes(delay_ms=100.0), "edge", "edge", "edge keeps more distance"),
        (TINY, Wishes(delay_ms=1000.0), "cloud", "cloud", "cloud uses 9 % of its tightest limit"),
        (TINY, Wishes(cpu_percent=50.0, keeps_sound_private=True), "neither", "cloud", "comes closest"),
        (EDGE, Wishes(delay_ms=10.0, bytes_per_hour=10.0), "neither", "edge", "edge comes closest"),
        (DEAF, Wishes(delay_ms=100.0), "cloud", "cloud", "nothing was heard"),
    ],
)
def test_the_rule(edge: Figures, wishes: Wishes, where: str, lesser: str, said: str) -> None:
    found = choose(edge, CLOUD, wishes)
    assert (found.where, found.lesser) == (where, lesser)
    assert any(said in reason for reason in found.reasons), found.reasons
