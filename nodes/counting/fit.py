"""Which board holds which network: the rule of S3 IV (table IV, figure 5), for the boards of `nodes.nas.devices`."""

from dataclasses import dataclass

from nodes.nas.devices import Device


@dataclass(frozen=True)
class Need:
    """What a network asks for: operations per frame, bytes of buffers, bytes of weights."""

    name: str
    operations: float
    buffer_bytes: int
    weight_bytes: int


@dataclass(frozen=True)
class Fit:
    """Whether a network fits a device; `lacks` says what is too small, in words, and is empty if it fits."""

    model: str
    device: str
    lacks: tuple[str, ...]

    @property
    def fits(self) -> int:
        """1 or 0."""
        return int(not self.lacks)


def fit(need: Need, name: str, device: Device, frame_s: float = 1.0) -> Fit:
    """One operation is one instruction and a weight one byte (S3 IV); a frame is done before the next one comes.

    The paper counts a frame of 960 ms as about one second.
    """
    mops, flash = need.operations / 1e6 / frame_s, device.flash_bytes
    checks = (
        (f"needs {mops:,.4g} MIPS, has {device.mips:,.4g}", mops < device.mips),
        (f"needs {need.buffer_bytes:,} B of RAM, has {device.ram_bytes:,}", need.buffer_bytes <= device.ram_bytes),
        (f"needs {need.weight_bytes:,} B of flash, has {flash or 0:,}", flash is None or need.weight_bytes <= flash),
    )
    return Fit(need.name, name, tuple(words for words, is_enough in checks if not is_enough))
