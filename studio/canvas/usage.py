"""Which node types a person uses: the last and the most used come first when nothing is typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_KEPT = 200
"""Types remembered; plugins come and go."""


@dataclass
class Usage:
    """How often each type was added, and in which order last."""

    counts: dict[str, int] = field(default_factory=dict)
    """Times added by type id; the last used stands last."""

    def note(self, type_id: str) -> None:
        """A node of that type was added."""
        self.counts[type_id] = self.counts.pop(type_id, 0) + 1
        for oldest in list(self.counts)[:-MOST_KEPT]:
            del self.counts[oldest]

    def favour(self) -> Mapping[str, float]:
        """Points from 0 to 1: two thirds for how lately, one third for how often."""
        most = max(self.counts.values(), default=1)
        size = len(self.counts)
        return {
            name: 2 / 3 * (place + 1) / size + 1 / 3 * count / most
            for place, (name, count) in enumerate(self.counts.items())
        }

    def to_text(self) -> str:
        """As JSON, for the settings."""
        return json.dumps(self.counts)

    @classmethod
    def from_text(cls, text: str) -> Usage:
        """What the settings hold; anything else is no use at all."""
        try:
            raw = json.loads(text)
        except ValueError:
            return cls()
        if not isinstance(raw, dict):
            return cls()
        return cls({str(name): count for name, count in raw.items() if type(count) is int and count > 0})
