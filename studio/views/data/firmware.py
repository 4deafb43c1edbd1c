"""What a firmware image puts where.

firmware.json, as views read it:

    {
      "target": "STM32L476RG",
      "limits": {"flash_bytes": 1048576, "ram_bytes": 131072},
      "sections": [{"name": ".text", "region": "flash", "bytes": 41232}],
      "symbols": [{"name": "conv1_weight", "region": "flash", "section": ".rodata", "bytes": 1920}],
      "layers": [{"layer": "conv1", "operator": "Conv", "kernel": "dsp-3x2", "macs": 209808, "instructions": 812345,
                  "cycles": 1034567, "ms": 10.2, "ms_low": 8.3, "ms_high": 12.8, "ram_bytes": 6272,
                  "flash_bytes": 1240}],
      "estimate": {"clock_hz": 80000000, "cycles_per_instruction": [1.3, 1.6, 2.0]},
      "memory": {"arena_bytes": 11972, "steps": ["conv1 pool1"],
                 "blocks": [{"name": "pool1", "offset": 0, "bytes": 5828, "first": 0, "last": 1, "scratch": false}]},
      "published": {"source": "S3 table VI", "clock_hz": 80000000, "is_whole": true,
                    "rows": [{"layer": "conv1 pool1", "ours": 309556, "paper cycles": 5928000}]}
    }

`region` is "flash" or "ram". All but `sections` may be left out; without the file the sizes of the metadata stand for
one section each. Instructions are counted in emulation, milliseconds estimated from them. A block is memory from step
`first` to step `last`, both included. Each row of `published` has our instructions and what others print for the layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.artifact import Artifact, FirmwareMeta
from engine.errors import OssicleError
from studio.views.data.optimisation import Block, MemoryPlan

FIRMWARE_FILE: Final = "firmware.json"
REGIONS: Final = ("flash", "ram")
CODES: Final = "codes"
"""Form of a block that holds a map in integers."""


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
    ms_low: float | None = None
    ms_high: float | None = None
    cycles: float | None = None
    macs: float | None = None
    flash_bytes: float | None = None
    kernel: str = ""

    @property
    def per_mac(self) -> float | None:
        """Instructions per multiply-accumulate."""
        return self.instructions / self.macs if self.instructions is not None and self.macs else None


@dataclass(frozen=True)
class Beside:
    """What others need for the same layers: rows of (layer, ours, figures by column)."""

    source: str = ""
    is_whole: bool = False
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, float, Mapping[str, float]], ...] = ()


@dataclass(frozen=True)
class MemoryMap:
    """Everything known about an image; `limits` in bytes by region."""

    target: str
    sections: tuple[Part, ...]
    symbols: tuple[Part, ...]
    limits: Mapping[str, int]
    layers: tuple[LayerCost, ...] = ()
    clock_hz: float = 0.0
    plan: MemoryPlan = MemoryPlan()
    beside: Beside = Beside()

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
            float((raw.get("estimate") or {}).get("clock_hz") or 0.0),
            _plan(raw.get("memory") or {}),
            _beside(raw.get("published") or {}),
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


_FIGURES: Final = ("instructions", "ms", "ram_bytes", "ms_low", "ms_high", "cycles", "macs", "flash_bytes")


def _layer(row: Mapping[str, Any]) -> LayerCost:
    figures = {name: float(row[name]) if row.get(name) is not None else None for name in _FIGURES}
    kernel = str(row.get("kernel") or "")
    return LayerCost(str(row["layer"]), str(row.get("operator", "")), **figures, kernel=kernel)


def _plan(raw: Mapping[str, Any]) -> MemoryPlan:
    blocks = tuple(
        Block(
            str(row["name"]), "scratch" if row.get("scratch") else CODES, int(row["offset"]), int(row["bytes"]),
            int(row["first"]), int(row["last"]),
        )
        for row in raw.get("blocks") or ()
    )  # fmt: skip
    arena = int(raw.get("arena_bytes") or 0)
    return MemoryPlan(tuple(map(str, raw.get("steps") or ())), blocks, arena, sum(one.size_bytes for one in blocks))


def _beside(raw: Mapping[str, Any]) -> Beside:
    rows = tuple(
        (str(row["layer"]), float(row["ours"]), {k: float(v) for k, v in row.items() if k not in ("layer", "ours")})
        for row in raw.get("rows") or ()
    )
    columns = tuple(dict.fromkeys(name for _, _, figures in rows for name in figures))
    return Beside(str(raw.get("source") or ""), bool(raw.get("is_whole")), columns, rows)
