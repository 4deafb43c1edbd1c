"""`ossicle bench hub`, small: every row is there, and what must hold at any speed holds."""

from pathlib import Path

import pytest

from engine.errors import OssicleError
from nodes.bench_hub import hub

SMALL = {"devices": "4", "results": "60", "kills": "1", "fleet": "4", "seconds": "3", "brokers": "mosquitto"}
AT_ANY_SPEED = ("lost of", "stored twice", "out of order", "unverified", "attacks refused", "kept the old", "killed")


@pytest.mark.parametrize("kind", ["mosquitto", "nats"])
def test_nothing_is_lost_under_kills(kind: str, recordings: Path) -> None:
    rows = hub({**SMALL, "rows": "faults", "brokers": kind, "recordings": str(recordings / "fsdd")}).rows
    assert len(rows) == 5
    assert rows[0].peers["detections in real recordings"] > 200
    assert [row.name for row in rows if not row.met] == []


@pytest.mark.parametrize(("kind", "trouble"), [("mosquitto", "partitions"), ("nats", "disks")])
def test_nothing_is_lost_in_bad_conditions(kind: str, trouble: str, recordings: Path) -> None:
    wanted = {"rows": "partition", "brokers": kind, "cuts": "2", "troubles": trouble}
    (row,) = hub({**SMALL, **wanted, "recordings": str(recordings / "fsdd")}).rows
    assert row.met and row.peers["stored"] == 240.0
    assert row.peers["partitions"] == (2.0 if trouble == "partitions" else 0.0)


def test_a_roll_out_under_attack() -> None:
    rows = hub({**SMALL, "rows": "rollout"}).rows
    unmet = [row.name for row in rows if row.met is False and any(words in row.name for words in AT_ANY_SPEED)]
    assert unmet == []


def test_a_device_is_measured_on_real_recordings(recordings: Path) -> None:
    (row,) = hub({**SMALL, "rows": "device", "recordings": str(recordings / "fsdd")}).rows
    assert row.value > 0
    assert row.peers["windows"] > 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rows": "speed"}, "no rows speed"),
        ({"rows": "partition", "troubles": "rain"}, "no troubles rain"),
        ({"rows": "device", "recordings": "none"}, "no recordings"),
    ],
)
def test_what_is_wrong_is_told(options: dict[str, str], said: str) -> None:
    with pytest.raises(OssicleError, match=said):
        hub(options)
