"""Where a device keeps code and data, and the linker script that says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nodes.firmware.errors import FirmwareError

TEMPLATE = Path(__file__).parent / "templates" / "link.ld"
ADDRESSES = 1 << 32
ALIGN_BYTES = 8


@dataclass(frozen=True)
class Memory:
    """Where a device keeps code and data; `stack_bytes` of the RAM are kept free for the stack.

    Raises:
        FirmwareError: a region is empty, lies nowhere or over the other, or the stack is larger than the RAM.
    """

    flash_bytes: int = 4 << 20
    ram_bytes: int = 4 << 20
    flash_origin: int = 0
    ram_origin: int = 0x2000_0000
    stack_bytes: int = 1024

    def __post_init__(self) -> None:
        if why := self._wrong():
            raise FirmwareError(
                f"No device has such a memory: {why}.",
                "regions of some bytes below 4 GiB, apart from each other, multiples of 8 in place and size",
                "Correct the memory of the device.",
            )

    def _wrong(self) -> str:
        flash, ram = (self.flash_origin, self.flash_bytes), (self.ram_origin, self.ram_bytes)
        for name, (start, size) in (("flash", flash), ("RAM", ram)):
            if start < 0 or size <= 0 or start + size > ADDRESSES or start % ALIGN_BYTES or size % ALIGN_BYTES:
                return f"{name} of {size:,} bytes at {start:#x}"
        if flash[0] < sum(ram) and ram[0] < sum(flash):
            return f"flash from {flash[0]:#x} and RAM from {ram[0]:#x} overlap"
        if not 0 < self.stack_bytes <= self.ram_bytes or self.stack_bytes % ALIGN_BYTES:
            return f"a stack of {self.stack_bytes:,} bytes in {self.ram_bytes:,} bytes of RAM"
        return ""

    def script(self) -> str:
        """The linker script."""
        words = {
            "@FLASH_ORIGIN@": f"{self.flash_origin:#x}",
            "@FLASH_BYTES@": str(self.flash_bytes),
            "@RAM_ORIGIN@": f"{self.ram_origin:#x}",
            "@RAM_BYTES@": str(self.ram_bytes),
            "@STACK_BYTES@": str(self.stack_bytes),
        }
        return re.sub("|".join(words), lambda found: words[found[0]], TEMPLATE.read_text())

    @classmethod
    def of(cls, script: Path) -> Memory:
        """What a linker script says; a region it does not name is as large as it gets.

        Raises:
            FirmwareError: it cannot be read.
        """
        try:
            text = script.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FirmwareError(f"{script.name} cannot be read.", "the linker script", "Write it again.") from error
        found = {name: (int(start, 0), int(size)) for name, start, size in _REGION.findall(text)}
        flash, ram = found.get("FLASH", (0, 1 << 28)), found.get("RAM", (0x2000_0000, 1 << 28))
        return cls(flash[1], ram[1], flash[0], ram[0], ALIGN_BYTES)


_REGION = re.compile(r"^\s*(FLASH|RAM) \([rwx]+\) : ORIGIN = (\w+), LENGTH = (\d+)", re.MULTILINE)
