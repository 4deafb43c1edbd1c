"""How a firmware compares, stage by stage: with the integer reference to the bit, and what rounding costs.

parity.json, as views read it (written by `nodes.firmware.parity`):

    {"name": "m20k", "cpu": "cortex-m4", "is_exact": true, "summary": "All 10 stages equal ...", "noisiest": "fc1",
     "answers": {"clips": 32, "changed": 1, "right": {"float": 20, "integer": 20, "firmware": 20}},
     "stages": [{"name": "conv1 pool1", "kind": "layer", "operator": "ConvPool", "bits": 8, "fraction": 4,
                 "values": 46624, "differing": 0, "clips_differing": 0, "largest": 0,
                 "noise": {"sqnr_db": 31.2, "own_sqnr_db": 38.0, "largest_steps": 1.2, "outside": 0.0001}}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.errors import OssicleError

PARITY_FILE: Final = "parity.json"


@dataclass(frozen=True)
class Stage:
    """One stage. Ratios are None without an error, or where there is no float twin.

    Attributes:
        sqnr_db: of the network up to here against the float one.
        own_sqnr_db: of this stage alone.
        outside: share of float values beyond the format's range.
    """

    name: str
    operator: str
    bits: int
    differing: int
    values: int
    largest: float
    sqnr_db: float | None = None
    own_sqnr_db: float | None = None
    outside: float = 0.0


@dataclass(frozen=True)
class Parity:
    """All stages; `right` counts clips by "float", "integer" and "firmware"."""

    summary: str
    is_exact: bool
    clips: int
    changed: int | None
    stages: tuple[Stage, ...]
    noisiest: str = ""
    right: Mapping[str, int] = field(default_factory=dict)


def read_parity(raw: Mapping[str, Any]) -> Parity:
    """What a parity.json tells.

    Raises:
        OssicleError: it does not hold what this module's text says.
    """
    try:
        answers = raw["answers"]
        changed = answers.get("changed")
        return Parity(
            str(raw["summary"]),
            bool(raw["is_exact"]),
            int(answers["clips"]),
            None if changed is None else int(changed),
            tuple(_stage(row) for row in raw["stages"]),
            str(raw.get("noisiest") or ""),
            {str(name): int(count) for name, count in (answers.get("right") or {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OssicleError(
            f"{PARITY_FILE} cannot be read ({type(error).__name__}: {error})",
            'stages [{"name", "differing", "values"}] and answers {"clips"}',
            "Run the firmware node again",
        ) from error


def _stage(row: Mapping[str, Any]) -> Stage:
    noise = row.get("noise") or {}
    return Stage(
        str(row["name"]),
        str(row.get("operator") or row.get("kind") or ""),
        int(row.get("bits") or 0),
        int(row["differing"]),
        int(row["values"]),
        float(row.get("largest") or 0.0),
        _number(noise.get("sqnr_db")),
        _number(noise.get("own_sqnr_db")),
        float(noise.get("outside") or 0.0),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
