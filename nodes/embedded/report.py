"""What is told about firmware: firmware.json, which travels with the image, and the report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from nodes.embedded.hearing import Hearing
from nodes.embedded.published import PAPER_CLOCK_HZ, Ours, beside, is_whole
from nodes.embedded.samples import told as tried_told
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
            **sizes,
            **({"cycles": made.cycles[index]} if made.cycles else {}),
        }
        for index, (layer, count, sizes) in enumerate(
            zip(made.program.layers, made.run.instructions, made.image["layer_sizes"], strict=True)
        )
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
        **({"cycles": sum(made.cycles)} if made.cycles else {}),
        **{name: made.image["sizes"][name] for name in ("network_bytes", "flash_bytes", "ram_bytes")},
        "arena_bytes": made.program.arena_bytes,
        "state_bytes": made.program.state_bytes,
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
        **{name: float(sums[name]) for name in ("network_bytes", "arena_bytes", "stack_bytes")},
    }


def quality(made: Made) -> dict[str, float]:
    """Headline figures of the decisions."""
    return {name: value for name, value in judged(made).items() if name != "clips"}


def judged(made: Made) -> dict[str, float]:
    """Decisions over whole clips: how many clips, which share changed by rounding, which is right before and after."""
    found = made.decisions or made.parity.answers
    clips = found.clips
    told = {"clips": float(clips), "agreement": 1.0 - (found.changed or 0) / clips}
    names = {"float": "accuracy_float", "integer": "accuracy"}
    return {**told, **{names[name]: count / clips for name, count in found.right.items() if name in names}}


def told(made: Made) -> Json:
    """The content of the report."""
    return dict(_parts(made))


def _parts(made: Made) -> Iterator[tuple[str, Any]]:
    yield "kind", "firmware"
    yield "network", made.network.name
    yield "target", made.wish.device or made.wish.cpu
    yield "cpu", made.wish.cpu
    yield "toolchain", made.toolchain.name
    yield "compiler", made.toolchain.version()
    yield "bits", made.program.graph.forms[made.program.graph.source].bits
    yield "emulators", ["unicorn", *([f"qemu {made.witness}"] if made.witness else [])]
    yield "forms", list(dict.fromkeys(("project", *made.wish.forms)))
    yield "layers", layer_rows(made)
    yield "totals", totals(made)
    yield "estimate", estimate(made)
    yield "memory", memory(made)
    if (paper := published(made)) is not None:
        yield "published", paper
    if made.ear is not None:
        yield "hearing", hearing_told(made.ear, made.answers)
    yield "parity", {"summary": made.parity.summary, "clips": made.parity.answers.clips, **_noisiest(made)}
    yield "judged", judged(made)
    yield from _image(made)


def hearing_told(ear: Hearing, answers: int) -> Json:
    """The front end on the device, and how many answers to a recording were the reference's."""
    f, source = ear.plan.front_end, ear.source
    return {
        "frames": source.frames,
        "coefficients": source.coefficients,
        "hop_samples": f.hop_samples,
        "rate_hz": f.rate_hz,
        "every_frames": ear.every_frames,
        "ram_bytes": source.ram_bytes,
        "constant_bytes": source.constant_bytes,
        "dft_samples": ear.plan.dft_samples,
        **({"dft_tried": dict(tried_told(ear.tried))} if ear.tried is not None else {}),
        "answers_equal": answers,
    }


def _noisiest(made: Made) -> Json:
    worst = made.parity.noisiest
    return {"noisiest": worst.name} if worst is not None else {}


def _image(made: Made) -> Iterator[tuple[str, Any]]:
    """Of the device's image; limits only where there are some."""
    wanted = {"flash_bytes": made.wish.flash_bytes, "ram_bytes": made.wish.ram_bytes}
    yield "limits", {name: value for name, value in wanted.items() if value}
    for name in ("sections", "symbols", "sizes", "stack", "digests"):
        yield name, made.image[name]


def parity_told(made: Made) -> Json:
    """The content of parity.json: no times, so that the same firmware gives the same bytes."""
    return {name: value for name, value in made.parity.as_data().items() if name != "seconds"}
