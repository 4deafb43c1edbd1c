"""What a firmware image puts where.

firmware.json, as views read it:

    {
      "target": "STM32L476RG",
      "limits": {"flash_bytes": 1048576, "ram_bytes": 131072},
      "sections": [{"name": ".text", "region": "flash", "bytes": 41232}],
      "symbols": [{"name": "conv1_weight", "region": "flash", "section": ".rodata", "bytes": 1920}],
      "layers": [{"layer": "conv1", "operator": "Conv", "instructions": 812345, "ms": 10.2, "ram_bytes": 6272}]
    }

`region` is "flash" or "ram". All but `sections` may be left out; without the file the sizes of the metadata stand for
one section each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.artifact import Artifact, FirmwareMeta
from engine.errors import OssicleError

FIRMWARE_FILE: Final = "firmware.json"
REGIONS: Final = ("flash", "ram")


@dataclass(frozen=True)
class Part:
    """A section or a symbol."""

    name: str
    region: str
    size_bytes: int
    section: str = ""


@dataclass(frozen=True)
class LayerCost:
    """What a layer costs on the device; None where it was not measured."""

    layer: str
    operator: str
    instructions: float | None
    ms: float | None
    ram_bytes: float | None


@dataclass(frozen=True)
class MemoryMap:
    """Everything known about an image; `limits` in bytes by region."""

    target: str
    sections: tuple[Part, ...]
    symbols: tuple[Part, ...]
    limits: Mapping[str, int]
    layers: tuple[LayerCost, ...] = ()

    def of(self, region: str) -> tuple[Part, ...]:
        """Sections of a region, the largest first."""
        found = [part for part in self.sections if part.region == region]
        return tuple(sorted(found, key=lambda part: -part.size_bytes))

    def used(self, region: str) -> int:
        """Bytes of a region."""
        return sum(part.size_bytes for part in self.of(region))

    def is_over(self, region: str) -> bool:
        """Whether a region does not fit the device."""
        return region in self.limits and self.used(region) > self.limits[region]


def read_map(artifact: Artifact) -> MemoryMap:
    """The map of an artifact.

    Raises:
        OssicleError: firmware.json does not hold what this module's text says.
    """
    meta = artifact.meta
    target = meta.target if isinstance(meta, FirmwareMeta) else ""
    if not (artifact.path / FIRMWARE_FILE).is_file():
        sizes = {"flash": meta.flash_bytes, "ram": meta.ram_bytes} if isinstance(meta, FirmwareMeta) else {}
        return MemoryMap(target, tuple(Part(name, name, size) for name, size in sizes.items()), (), {})
    return parse(artifact.json(FIRMWARE_FILE), target)


def parse(raw: Mapping[str, Any], target: str = "") -> MemoryMap:
    """The map of a firmware.json.

    Raises:
        OssicleError: it does not hold what this module's text says.
    """
    try:
        limits = {
            region: int(raw.get("limits", {})[f"{region}_bytes"])
            for region in REGIONS
            if raw.get("limits", {}).get(f"{region}_bytes") is not None
        }
        return MemoryMap(
            str(raw.get("target") or target),
            _parts(raw["sections"]),
            _parts(raw.get("symbols") or ()),
            limits,
            tuple(_layer(row) for row in raw.get("layers") or ()),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OssicleError(
            f"{FIRMWARE_FILE} cannot be read ({type(error).__name__}: {error})",
            'sections [{"name", "region": "flash" or "ram", "bytes"}]',
            "Run the firmware node again",
        ) from error


def _parts(rows: Sequence[Mapping[str, Any]]) -> tuple[Part, ...]:
    found = [Part(str(r["name"]), str(r["region"]), int(r["bytes"]), str(r.get("section", ""))) for r in rows]
    wrong = next((part for part in found if part.region not in REGIONS or part.size_bytes < 0), None)
    if wrong is not None:
        raise ValueError(f"{wrong.name} has {wrong.size_bytes} bytes in {wrong.region!r}")
    return tuple(found)


def _layer(row: Mapping[str, Any]) -> LayerCost:
    figures = [float(row[name]) if row.get(name) is not None else None for name in ("instructions", "ms", "ram_bytes")]
    return LayerCost(str(row["layer"]), str(row.get("operator", "")), *figures)
