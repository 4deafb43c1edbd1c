"""The one exception of the firmware generator, in the house's three parts."""

from dataclasses import dataclass


@dataclass
class FirmwareError(ValueError):
    """Firmware that cannot be generated, built or run."""

    what: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what} Expected {self.expected}. {self.remedy}"
