"""A number that somebody has printed, and where a run finds ours to hold against it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Claim(BaseModel):
    """One printed number.

    Attributes:
        what: what is claimed, in words ("TC-ResNet8, parameters").
        source: where it is printed ("S1 table 2").
        printed: as printed ("66K").
        value: the same as a number, in `unit`.
        tolerance: how far ours may be off and still round to what is printed.
        at: where ours is, "node.port:name.of.metric"; empty if it cannot be checked at all.
        needs: what must be at hand to check it ("UrbanSound8K, 10 folds"); empty if nothing but this program.
        note: a known slip of the paper, or why it cannot be checked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    what: str
    source: str
    printed: str
    value: float
    unit: str = ""
    tolerance: float = Field(default=0.0, ge=0.0)
    at: str = ""
    needs: str = ""
    note: str = ""
