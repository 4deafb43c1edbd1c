"""The digits' keyword spotter of the hub's benchmark."""

from pathlib import Path

import pytest

from engine.errors import OssicleError
from nodes.bench_hub_digits import deployment, digit_of, unheard


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("7_jackson_12.wav", (7, 12)),
        ("12_jackson_3.wav", None),
        ("7_jackson_x.wav", None),
        ("rain.wav", None),
        ("_jackson_3.wav", None),
    ],
)
def test_a_digit_is_told_by_its_name(name: str, found: tuple[int, int] | None) -> None:
    assert digit_of(Path(name)) == found


def test_what_was_taught_is_not_heard() -> None:
    files = [Path(name) for name in ("1_theo_3.wav", "1_theo_10.wav", "rain.wav")]
    assert unheard(files) == [files[0], files[2]]


def test_other_recordings_cannot_be_taught(tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="0 recordings of digits"):
        deployment(tmp_path / "made", 1, [Path("rain.wav")])
