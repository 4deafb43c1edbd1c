"""What fixed point does to every layer and tensor: the report of the node ossicle.sensitivity.

report.json, as views read it:

    {"kind": "sensitivity", "bits": 8, "threshold": 1e-4, "sqnr_db": 21.5, "agreement": 0.98,
     "accuracy": {"float": 0.96, "integers": 0.95},
     "layers": [{"layer": "conv1", "operator": "Conv", "accuracy": 0.96, "lost": 0.0, "agreement": 1.0,
                 "sqnr_db": 38.1}],
     "tensors": [{"name": "conv1 weight", "kind": "weight", "largest": 0.9, "zeros": 0, "is_constant": false,
                  "format": {"bits": 8, "fraction": 7, "integer": 0},
                  "rules": {"sqnr": {"fraction": 7, "integer": 0}, "overload": {"fraction": 6, "integer": 1}},
                  "exponents": [-3, -2], "counts": [10, 20],
                  "integers": [-3, -2], "overload": [0.1, 0.0], "sqnr_db": [12.0, null]}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import OssicleError

REPORT_FILE: Final = "report.json"
KIND: Final = "sensitivity"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """A layer rounded alone; a ratio of None: no error at all."""

    name: str
    operator: str
    accuracy: float
    lost: float
    agreement: float
    sqnr_db: float | None


@dataclass(frozen=True, eq=False)
class Tensor:
    """A map or weight: values between powers of two, and curves over integer bits.

    Attributes:
        exponents: e of every range 2^(e-1) <= |x| < 2^e; `counts` of values in each.
        overload: P(|x| >= 2^i) for each of `integers`; `sqnr_db` has nan where there is no error or no signal.
        rules: integer bits that each rule chooses, by its name.
    """

    name: str
    kind: str
    bits: int
    integer: int
    largest: float
    zeros: int
    is_constant: bool
    exponents: Floats
    counts: Floats
    integers: Floats
    overload: Floats
    sqnr_db: Floats
    rules: Mapping[str, int]

    @property
    def fraction(self) -> int:
        """Bits behind the point."""
        return self.bits - self.integer - 1


@dataclass(frozen=True)
class Sensitivity:
    """The whole report."""

    bits: int
    threshold: float
    exact: float
    rounded: float
    layers: tuple[Layer, ...]
    tensors: tuple[Tensor, ...]


def parse(raw: Mapping[str, Any]) -> Sensitivity:
    """What a report.json tells.

    Raises:
        OssicleError: it does not hold what this module's text says.
    """
    try:
        return Sensitivity(
            int(raw["bits"]),
            float(raw["threshold"]),
            float(raw["accuracy"]["float"]),
            float(raw["accuracy"]["integers"]),
            tuple(_layer(row) for row in raw["layers"]),
            tuple(_tensor(row) for row in raw["tensors"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OssicleError(
            f"{REPORT_FILE} cannot be read ({type(error).__name__}: {error})",
            "layers and tensors as the sensitivity node writes them",
            "Run the sensitivity node again",
        ) from error


def _layer(row: Mapping[str, Any]) -> Layer:
    ratio_db = row.get("sqnr_db")
    return Layer(
        str(row["layer"]),
        str(row["operator"]),
        float(row["accuracy"]),
        float(row["lost"]),
        float(row["agreement"]),
        None if ratio_db is None else float(ratio_db),
    )


def _tensor(row: Mapping[str, Any]) -> Tensor:
    form = row["format"]
    exponents, counts = _floats(row["exponents"]), _floats(row["counts"])
    integers, overload, ratios = (_floats(row[name]) for name in ("integers", "overload", "sqnr_db"))
    if len(exponents) != len(counts) or not len(integers) == len(overload) == len(ratios):
        raise ValueError(f"the curves of {row['name']} have different lengths")
    return Tensor(
        str(row["name"]),
        str(row["kind"]),
        int(form["bits"]),
        int(form["integer"]),
        float(row["largest"]),
        int(row["zeros"]),
        bool(row["is_constant"]),
        exponents,
        counts,
        integers,
        overload,
        ratios,
        {str(name): int(rule["integer"]) for name, rule in row["rules"].items()},
    )


def _floats(values: Any) -> Floats:
    return np.array([np.nan if value is None else float(value) for value in values], np.float64)
