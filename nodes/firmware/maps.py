"""Where boards keep flash and RAM, by the titles of resources/devices.json; from the makers' reference manuals.

Only memory that lies in one piece counts: a linker script with one RAM cannot use what lies apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nodes.firmware.memory import ALIGN_BYTES, Memory


@dataclass(frozen=True)
class Place:
    """Of a board's memories.

    Attributes:
        ram_bytes: of the largest piece, where the RAM is not one.
        taken_bytes: of flash in front of `flash_origin`, which is not the program's.
        note: what else the board needs before a program starts.
    """

    flash_origin: int
    ram_origin: int = 0x2000_0000
    ram_bytes: int | None = None
    taken_bytes: int = 0
    note: str = ""


_STM32, _ZERO = Place(0x0800_0000), Place(0)
PLACES: Mapping[str, Place] = MappingProxyType(
    {
        "STM32L476RG": Place(0x0800_0000, ram_bytes=96 << 10, note="32 KB of its RAM lie apart, at 0x10000000."),
        "TI MSP432P4111": _ZERO,
        "Arduino UNO R4 Minima": _ZERO,
        "Arduino Zero": _ZERO,
        "Arduino Nano 33 BLE Sense": _ZERO,
        "BBC micro:bit v2": _ZERO,
        "Nordic nRF5340 DK": _ZERO,
        "Raspberry Pi Pico": Place(
            0x1000_0100,
            taken_bytes=256,
            note="The first 256 bytes of flash hold the second boot stage of the Pico SDK.",
        ),
        "Raspberry Pi Pico 2": Place(
            0x1000_0000, note="Its boot ROM wants an image definition block of the Pico SDK within the first 4 KB."
        ),
        "STM32F103C8 (Blue Pill)": _STM32,
        "ST NUCLEO-G071RB": _STM32,
        "ST NUCLEO-F411RE": _STM32,
        "ST NUCLEO-F446RE": _STM32,
        "ST NUCLEO-L4R5ZI": _STM32,
        "ST NUCLEO-U575ZI-Q": Place(0x0800_0000, ram_bytes=768 << 10, note="18 KB of its RAM lie apart."),
        "ST 32F746G-DISCOVERY": _STM32,
        "ST NUCLEO-H743ZI2": Place(0x0800_0000, 0x2400_0000),
        "Teensy 4.1": Place(
            0x6000_2000,
            taken_bytes=0x2000,
            note="Its boot ROM wants a flash configuration block and an image vector table.",
        ),
        "ST STM32N6570-DK": Place(0x7000_0000, 0x3400_0000, note="Its boot ROM starts signed images only."),
        "ESP32-C3": Place(
            0x4200_0000,
            0x3FC8_0000,
            ram_bytes=384 << 10,
            note="The boot loader of ESP-IDF maps its flash; 16 KB are its cache.",
        ),
        "SparkFun Edge": Place(0x0000_C000, 0x1000_0000, taken_bytes=0xC000, note="Below 0xC000 lies its boot loader."),
    }
)


def memory_of(title: str, flash_bytes: int, ram_bytes: int) -> Memory:
    """The memory of a board with as much flash and RAM as this; of an unknown one with addresses as Arm suggests.

    Raises:
        FirmwareError: no device has such a memory.
    """
    place = PLACES.get(title, _ZERO)
    ram = min(ram_bytes, place.ram_bytes or ram_bytes)
    return Memory(_whole(flash_bytes - place.taken_bytes), _whole(ram), place.flash_origin, place.ram_origin)


def _whole(size_bytes: int) -> int:
    return size_bytes // ALIGN_BYTES * ALIGN_BYTES


def note_of(title: str) -> str:
    """What a board needs besides the program; empty if nothing."""
    return PLACES.get(title, _ZERO).note
