"""Every board that firmware is generated for has a place for its flash and RAM, and no other has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodes.firmware.cpu import CPUS
from nodes.firmware.errors import FirmwareError
from nodes.firmware.maps import PLACES, memory_of, note_of

DEVICES = {
    row["title"]: row
    for row in json.loads(Path("resources/devices.json").read_text())["devices"]
    if row["cpu"] in CPUS and row["flash_bytes"]
}


def test_places_are_those_of_the_boards() -> None:
    assert PLACES.keys() == DEVICES.keys()


@pytest.mark.parametrize("title", DEVICES)
def test_a_boards_memory_lies_in_one_piece_within_its_own(title: str) -> None:
    row = DEVICES[title]
    memory = memory_of(title, row["flash_bytes"], row["ram_bytes"])
    assert 0.7 * row["ram_bytes"] <= memory.ram_bytes <= row["ram_bytes"]
    assert 0.9 * row["flash_bytes"] <= memory.flash_bytes <= row["flash_bytes"]
    assert memory.flash_bytes < row["flash_bytes"] or PLACES[title].taken_bytes == 0
    assert "0x10000000" in note_of(title) or memory.ram_bytes == row["ram_bytes"] or note_of(title)


def test_an_unknown_board_gets_the_usual_addresses() -> None:
    memory = memory_of("mine", 100_003, 10_001)
    assert (memory.flash_origin, memory.ram_origin, memory.flash_bytes, memory.ram_bytes) == (
        0, 0x2000_0000, 100_000, 10_000,
    )  # fmt: skip
    with pytest.raises(FirmwareError, match="No device has such a memory"):
        memory_of("mine", 0, 10)
