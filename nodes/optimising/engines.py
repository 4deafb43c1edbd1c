"""Other installed engines on the same network: timed as wholes, taking turns with ours."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import onnx

from nodes.lne.backends import Backend, Contest, Timing, find_backends
from nodes.lne.backends.contest import INT8_TOLERANCE, OURS, TOLERANCE, Entry
from nodes.lne.backends.ours import describe
from nodes.lne.backends.prepare import prepare, write
from nodes.lne.program import generate
from nodes.optimising.choose import Chosen
from nodes.optimising.report import Engine
from nodes.optimising.session import wanted_outputs
from nodes.optimising.wish import Network, Watch, Wish

NAME: Final = "ossicle"
ROUNDS: Final = 15
SLOW_TO_START: Final = frozenset({"torch", "torch_script", "torch_compiled"})
"""Never the fastest by far, and seconds to start: the bench times them."""


@dataclass(frozen=True)
class Raced:
    """Engines that took part or could not, and ours in the same race (none if it could not)."""

    engines: tuple[Engine, ...] = ()
    ours_us: float | None = None


def race(network: Network, choice: Chosen, wish: Wish, watch: Watch) -> Raced:
    """Time the engines that are installed here or in the wish's other environments.

    Those that quantize take part where our layers may be in 8 bits; a quantized network is run as it is.

    Raises:
        LneError: there is no C compiler.
    """
    plan, quantizes = choice.plan, choice.trade_off is not None
    found = [one for one in find_backends(wish.pythons) if one.name not in SLOW_TO_START and one.is_int8 <= quantizes]
    if not found:
        return Raced()
    watch.progress(0.75, f"timing {', '.join(one.name for one in found)}")
    shape = plan.graph.source_shape
    values = network.inputs[0].reshape(shape)
    wanted = wanted_outputs(network, plan.graph)[0]
    with tempfile.TemporaryDirectory(prefix="ossicle-engines-") as name, Contest(found) as contest:
        folder = Path(name)
        model = write(prepare(onnx.load_model_from_string(network.onnx), shape), folder / "model")
        ours = describe(generate(plan), folder)
        entries = [
            Entry(NAME, OURS, sys.executable, ours, INT8_TOLERANCE if choice.ranges else TOLERANCE),
            *contest.entries(model),
        ]
        times = contest.race(entries, values, wanted, ROUNDS)
        return Raced(tuple(_engine(one, times, contest) for one in found), _median(times.get(NAME)))


def _median(timing: Timing | None) -> float | None:
    return timing.median_us if timing is not None else None


def _engine(backend: Backend, times: dict[str, Timing], contest: Contest) -> Engine:
    """An engine of another environment, or one that quantizes by itself, is only timed: its accuracy was not judged."""
    serves = backend.python == sys.executable and not backend.is_int8 and backend.name in contest.serving
    us, why = _median(times.get(backend.name)), contest.excluded.get(backend.name, "")
    return Engine(backend.name, _version(backend), us, why, serves)


def _version(backend: Backend) -> str:
    """Of the engine's package, where it is installed here under the backend's name."""
    try:
        return version(backend.name.removesuffix("_int8")) if backend.python == sys.executable else ""
    except PackageNotFoundError:
        return ""
