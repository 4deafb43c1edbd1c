"""What is told about firmware: firmware.json, which travels with the image, and the report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from nodes.embedded.published import PAPER_CLOCK_HZ, Ours, beside, is_whole
from nodes.embedded.session import Made
from nodes.nas.costs import CPI

Json = dict[str, Any]
MIDDLE_CPI: Final = 1.6
"""Cycles per instruction that fit published measurements of convolutions and dense layers best."""


def milliseconds(instructions: float, clock_hz: float, cpi: float = MIDDLE_CPI) -> float:
    """Estimated from executed instructions."""
    return instructions * cpi / clock_hz * 1e3


def layer_rows(made: Made) -> list[Json]:
    """One row per layer as it is computed, in order."""
    return [
        {
            "layer": layer.name,
            "operator": layer.operator,
            "kernel": layer.kernel,
            "macs": layer.macs,
            "instructions": count,
            "instructions_per_mac": round(count / layer.macs, 3) if layer.macs else None,
            **_times(count, made.wish.clock_hz),
            "ram_bytes": layer.ram_bytes,
        }
        for layer, count in zip(made.program.layers, made.run.instructions, strict=True)
    ]


def _times(instructions: int, clock_hz: float) -> Json:
    cpis = {"ms_low": CPI[0], "ms": MIDDLE_CPI, "ms_high": CPI[1]}
    return {name: milliseconds(instructions, clock_hz, cpi) for name, cpi in cpis.items()}


def totals(made: Made) -> Json:
    """Sums over the layers, and the memory that was seen in use."""
    instructions, macs = sum(made.run.instructions), sum(layer.macs for layer in made.program.layers)
    return {
        "instructions": instructions,
        "macs": macs,
        "instructions_per_mac": round(instructions / macs, 3) if macs else None,
        **_times(instructions, made.wish.clock_hz),
        "arena_bytes": made.program.arena_bytes,
        "stack_bytes": made.run.stack_bytes,
    }


def estimate(made: Made) -> Json:
    """What the milliseconds stand on."""
    return {
        "clock_hz": made.wish.clock_hz,
        "cycles_per_instruction": [CPI[0], MIDDLE_CPI, CPI[1]],
        "note": "Instructions are counted, times are estimated from them.",
    }


def memory(made: Made) -> Json:
    """Where every map lies and how long: steps are layers."""
    return {
        "arena_bytes": made.program.arena_bytes,
        "steps": [layer.name for layer in made.program.layers],
        "blocks": [
            {
                "name": block.name,
                "offset": block.offset,
                "bytes": block.size_bytes,
                "first": block.first,
                "last": block.last,
                "scratch": block.is_scratch,
            }
            for block in made.program.blocks
        ],
    }


def published(made: Made) -> Json | None:
    """The paper's table VI beside ours, where the network has its layers."""
    layers = zip(made.program.layers, made.run.instructions, strict=True)
    rows = beside([Ours(layer.name, layer.macs, count) for layer, count in layers])
    if not rows:
        return None
    return {"source": "S3 table VI", "clock_hz": PAPER_CLOCK_HZ, "is_whole": is_whole(rows), "rows": rows}


def about(made: Made) -> str:
    """One line: "m20k 8 bits · cortex-m4 · 1,298,903 instructions · ~26.0 ms at 80 MHz (21.1 to 32.5)"."""
    sums, wish = totals(made), made.wish
    low, middle, high = (f"{sums[name]:.1f}" for name in ("ms_low", "ms", "ms_high"))
    bits = made.program.graph.forms[made.program.graph.source].bits
    return " · ".join(
        (
            f"{made.network.name}, {bits} bits",
            wish.device or wish.cpu,
            f"{sums['instructions']:,} instructions",
            f"estimated {middle} ms at {wish.clock_hz / 1e6:g} MHz ({low} to {high})",
        )
    )


def metrics(made: Made) -> dict[str, float]:
    """Headline figures."""
    sums = totals(made)
    return {
        "instructions": float(sums["instructions"]),
        "estimated_ms": sums["ms"],
        "arena_bytes": float(sums["arena_bytes"]),
        "stack_bytes": float(sums["stack_bytes"]),
    }


def told(made: Made) -> Json:
    """The content of the report."""
    return dict(_parts(made))


def _parts(made: Made) -> Iterator[tuple[str, Any]]:
    yield "kind", "firmware"
    yield "network", made.network.name
    yield "target", made.wish.device or made.wish.cpu
    yield "cpu", made.wish.cpu
    yield "toolchain", made.toolchain.name
    yield "bits", made.program.graph.forms[made.program.graph.source].bits
    yield "layers", layer_rows(made)
    yield "totals", totals(made)
    yield "estimate", estimate(made)
    yield "memory", memory(made)
    if (paper := published(made)) is not None:
        yield "published", paper
