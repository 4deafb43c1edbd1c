"""The loop of a device: blocks of sound, scores, the rule that tells a word, and what is said of it."""

from __future__ import annotations

import json
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from nodes.hub.device.ear import Ear, level_db
from nodes.hub.device.source import Samples, Source
from nodes.hub.errors import HubError
from nodes.hub.outbox import Said
from nodes.judge.stream import Rule, State, hear

FULL_SCALE: Final = np.float32(32768)
RESULT, TELEMETRY = "result", "telemetry"
Order = Callable[[Mapping[str, Any]], None]
Tell = Callable[[list[Said]], None]


@dataclass(frozen=True)
class Manner:
    """How a device listens.

    Attributes:
        hop_s: step between windows.
        gate_db: clips in which no block is as loud are not given to the network; None hears everything.
        telemetry_s: between reports of how the device fares; 0 sends none.
    """

    hop_s: float = 0.25
    threshold: float = 0.5
    smoothing: int = 3
    refractory_s: float = 1.0
    gate_db: float | None = None
    telemetry_s: float = 60.0


@dataclass
class Tally:
    """What a device has heard."""

    windows: int = 0
    gated: int = 0
    detections: int = 0
    heard_s: float = 0.0
    level_db: float = 0.0
    refused: int = 0
    """Detections that the outbox could not take."""
    begun: float = field(default_factory=time.monotonic)
    cpu_s: float = field(default_factory=lambda: -cpu_s())

    def report(self) -> dict[str, Any]:
        """As telemetry: share of one core, memory, level, counts."""
        wall_s = max(time.monotonic() - self.begun, 1e-9)
        return {
            "heard_s": round(self.heard_s, 3),
            "windows": self.windows,
            "gated": self.gated,
            "detections": self.detections,
            "refused": self.refused,
            "level_dbfs": round(self.level_db, 1),
            "cpu_percent": round(100.0 * (self.cpu_s + cpu_s()) / wall_s, 3),
            "memory_bytes": memory_bytes(),
        }


class Runtime:
    """A deployment that listens to a source and tells what it hears."""

    def __init__(self, ear: Ear, manner: Manner, tell: Tell, orders: Mapping[str, Order] | None = None) -> None:
        """
        Args:
            tell: takes what shall be kept for the hub; raises HubError when it cannot.
            orders: more orders by name; "threshold" and "report" are known.
        """
        self.ear, self.manner, self.tally = ear, manner, Tally()
        self._tell = tell
        self._rule = Rule(ear.facts.words, manner.threshold, manner.smoothing, manner.refractory_s)
        self._state = State()
        self._orders: dict[str, Order] = {"threshold": self._set_threshold, "report": self._report, **(orders or {})}
        self._given: list[bytes] = []
        self._loud_samples = 0
        self._stopped = threading.Event()

    def order(self, payload: bytes) -> None:
        """Take an order of the hub; done in the loop's thread. Unknown ones are answered as such."""
        self._given.append(payload)

    def stop(self) -> None:
        """End the loop at the next block."""
        self._stopped.set()

    def run(self, source: Source, heard: Callable[[], None] = lambda: None) -> Iterator[Said]:
        """Listen until the source ends or `stop`; yields every detection as it is told.

        Args:
            heard: called once, after the first window.

        Raises:
            HubError: the source broke.
        """
        has_heard = False
        rate_hz, next_report = self.ear.facts.rate_hz, time.monotonic() + self.manner.telemetry_s
        for block in source.blocks(max(1, round(self.manner.hop_s * rate_hz))):
            if self._stopped.is_set():
                return
            self._obey()
            said = self._hear(block)
            if self.tally.windows and not has_heard:
                has_heard = True
                heard()
            if said is not None:
                yield said
            if self.manner.telemetry_s and time.monotonic() >= next_report:
                next_report += self.manner.telemetry_s
                self._report({})

    def _hear(self, block: Samples) -> Said | None:
        samples, tally, facts = block.astype(np.float32) / FULL_SCALE, self.tally, self.ear.facts
        tally.level_db = level_db(samples)
        is_loud = self._is_loud(len(block))
        scores = self.ear.push(samples, is_wanted=is_loud)
        tally.heard_s += len(block) / facts.rate_hz
        tally.gated += not is_loud
        if scores is None:
            return None if is_loud else self._decide(np.zeros(len(facts.labels), np.float32))
        tally.windows += 1
        return self._decide(scores)

    def _is_loud(self, samples: int) -> bool:
        """Whether the clip that ends now holds a block above the gate."""
        if self.manner.gate_db is None:
            return True
        is_above = self.tally.level_db >= self.manner.gate_db
        self._loud_samples = self.ear.facts.clip_samples if is_above else self._loud_samples - samples
        return self._loud_samples > 0

    def _decide(self, scores: np.ndarray[Any, np.dtype[np.float32]]) -> Said | None:
        self._state, found = hear(self._rule, self._state, scores.tolist(), self.tally.heard_s)
        if found is None:
            return None
        self.tally.detections += 1
        body = {
            "label": self.ear.facts.labels[found.word],
            "score": round(found.score, 6),
            "at_s": round(found.time_s, 3),
            "model": self.ear.facts.model,
        }
        said = Said(RESULT, body, datetime.now(UTC))
        self._keep(said)
        return said

    def _keep(self, said: Said) -> None:
        try:
            self._tell([said])
        except HubError:
            self.tally.refused += 1  # the outbox counts it too and tells the hub when there is room

    # ---- orders

    def _obey(self) -> None:
        given, self._given = self._given, []
        for payload in given:
            try:
                order = json.loads(payload)
                self._orders[order["order"]](order)
            except (ValueError, TypeError, KeyError, HubError) as error:
                self._keep(Said("refusal", {"order": payload[:200].decode(errors="replace"), "why": str(error)[:200]}))
                self._answer(payload, str(error)[:200])
            else:
                self._answer(payload, "")

    def _answer(self, payload: bytes, why: str) -> None:
        """Tell who gave an order with an id what came of it; an empty `why` means done."""
        try:
            order = json.loads(payload)
            number, name = order["id"], order["order"]
        except (ValueError, TypeError, KeyError):
            return
        if isinstance(number, str) and isinstance(name, str):
            self._keep(Said("answer", {"id": number[:64], "order": name[:64], "why": why}))

    def _set_threshold(self, order: Mapping[str, Any]) -> None:
        value = order["value"]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < 1.0:
            raise HubError(f"the threshold {value!r}", "a number between 0 and 1", "Correct it")
        self._rule = replace(self._rule, threshold=float(value))

    def _report(self, _order: Mapping[str, Any]) -> None:
        self._keep(Said(TELEMETRY, self.tally.report()))


def cpu_s() -> float:
    """Time this process has computed, all threads."""
    return time.process_time()


def memory_bytes() -> int:
    """Largest memory this program has had; where the system cannot tell, its parent's before it is counted, too."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if os.uname().sysname == "Darwin" else 1024)
