"""`runs/<id>/report.html`: one file that tells a run: graph, figures, plots, parameters, problems, lineage, machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any, Final

from engine.artifact import Artifact, AudioSet, Deployment, FeatureSet, Firmware, Model, Report
from engine.console import duration, size
from engine.drawing import Box, Wire, graph
from engine.errors import sentence
from engine.evidence import (
    Drawn,
    by,
    curve_figure,
    figures_of,
    interval_text,
    metric_text,
    rows_of_events,
)
from engine.execute import installed
from engine.node import title_of
from engine.record import RunRecord
from engine.report_page import Page, Tile, write_page
from engine.report_sections import SECTIONS, Told, error_card, gather
from engine.svg import Figure, element, shape
from engine.theme import kind, state

REPORT_FILE: Final = "report.html"
MOST_PLOTS: Final = 24


def write_report(record: RunRecord) -> None:
    """Write the report of a run into its folder."""
    write_page(render(gather(record)), record.folder / REPORT_FILE)


def render(told: Told) -> str:
    """The page."""
    record = told.record
    failed = [node for node in record.nodes.values() if node.error is not None]
    return str(Page(
        record, "run", record.workflow, record.workflow, f"{duration(record.seconds)} · {record.runner}",
        told.workflow.about, tiles(told), map(error_card, failed), "\n".join(_body(told)),
    ))  # fmt: skip


def _body(told: Told) -> Iterator[str]:
    """Graph, plots, then the sections."""
    drawing, drawn = run_graph(told), run_figures(told)
    head = f"<h2>Graph <small>{escape(drawing.caption)}</small></h2>"
    yield f'<section class="card wide">{head}<div class="scroll">{_natural(drawing)}</div>{_legend(told)}</section>'
    plots = [*map(_plot_card, drawn.figures[:MOST_PLOTS]), *map(_missing_card, drawn.missing)]
    yield f'<section class="plots">{"".join(plots)}</section>'
    yield from (section(told) for section in SECTIONS)


# ---- headline figures


def tiles(told: Told) -> Iterator[str]:
    """Nodes, then the latest accuracy, model, latency and image: what a person looks for first."""
    states: dict[str, int] = {}
    for node in told.record.nodes.values():
        states[node.state] = states.get(node.state, 0) + 1
    words = ", ".join(f"{number} {state(name).word}" for name, number in states.items())
    yield str(Tile("nodes", f"{len(told.record.nodes):,}", "", words))
    latest = {type(artifact): (name, artifact) for (name, _), artifact in told.artifacts.items() if _has_tile(artifact)}
    for type_, make in TILES.items():
        if type_ in latest:
            name, artifact = latest[type_]
            yield from (str(replace(tile, note=f"{name} · {tile.note}")) for tile in make(artifact.meta))


def _has_tile(artifact: Artifact) -> bool:
    """Of several reports the last one with an accuracy counts, not the last one."""
    return not isinstance(artifact, Report) or "accuracy" in artifact.meta.metrics


def _split(words: str, note: str = "") -> tuple[str, str, str]:
    value, _, unit = words.partition(" ")
    return value, unit, note


def _report_tiles(meta: Any) -> Iterator[Tile]:
    metrics = meta.metrics
    if "accuracy" in metrics:
        told = interval_text("accuracy", metrics).strip(" ()")
        note = f"95 %: {told}" if told else meta.title
        yield Tile("accuracy", *_split(metric_text("accuracy", metrics["accuracy"]), note))


def _model_tiles(meta: Any) -> Iterator[Tile]:
    yield Tile("parameters", f"{meta.parameters:,}", "", f"{meta.architecture}, {meta.precision}")
    yield Tile("model size", *_split(size(meta.size_bytes), f"input {by(meta.input_shape)}"))
    if "true" in meta.flops:
        yield Tile("operations", f"{meta.flops['true'] / 1e6:,.2f}", "MFLOP", "2 × multiply-adds")


def _deployment_tiles(meta: Any) -> Iterator[Tile]:
    if meta.latency_us:
        yield Tile("latency", f"{meta.latency_us:,.0f}", "µs", f"median, {meta.target}")


TILES: Final[Mapping[type[Artifact], Callable[[Any], Iterator[Tile]]]] = {
    AudioSet: lambda meta: iter([Tile("audio", f"{meta.minutes:.1f}", "min", f"{len(meta.classes)} classes")]),
    Report: _report_tiles,
    Model: _model_tiles,
    Deployment: _deployment_tiles,
    Firmware: lambda meta: iter(
        [Tile("flash", *_split(size(meta.flash_bytes))), Tile("RAM", *_split(size(meta.ram_bytes)))]
    ),
}


# ---- graph


def run_graph(told: Told) -> Figure:
    """The workflow with the states of this run."""
    boxes = [_box(name, told) for name in told.workflow.nodes]
    wires = [Wire(link.source, link.output, link.target, link.input) for link in told.workflow.links]
    return graph(boxes, wires, told.workflow.name)


def _box(name: str, told: Told) -> Box:
    node = told.workflow.nodes[name]
    record = told.record.nodes.get(name)
    about = [a.meta.about for (owner, _), a in told.artifacts.items() if owner == name and a.meta.about]
    lines = [record.error.what] if record is not None and record.error is not None else _two_lines(about)
    spec = installed().find(node.type)
    inputs = {port.name: port.type.kind() for port in spec.inputs} if spec else {}
    made = {port: artifact.kind() for (owner, port), artifact in told.artifacts.items() if owner == name}
    outputs = {port.name: port.type.kind() for port in spec.outputs} if spec else made
    wired = {link.input for link in told.workflow.links if link.target == name}
    shown = record.state if record is not None else node.mode if node.mode != "active" else "never"
    return Box(
        name,
        spec.title if spec else title_of(node.type),
        shown,
        record.seconds if record is not None else 0.0,
        lines,
        "\n".join(
            [f"{node.type} ({name})", *about, *([record.reason] if record is not None and record.reason else [])]
        ),
        {port: type_ for port, type_ in inputs.items() if port in wired},
        outputs,
    )


def _two_lines(about: Sequence[str]) -> list[str]:
    """A fact line in two: broken at the last separator that still fits."""
    if not about:
        return []
    parts = about[0].split(" · ")
    first = [parts[0]]
    while len(first) < len(parts) and len(" · ".join([*first, parts[len(first)]])) <= 23:
        first.append(parts[len(first)])
    return list(filter(None, [" · ".join(first), " · ".join(parts[len(first) :])]))


def _natural(drawing: Figure) -> str:
    """The graph at its own size, shrunk a little to fit, else scrolled."""
    width = round(drawing.width)
    return drawing.inline().replace(
        'width="100%"', f'style="width:min(100%,{width}px);min-width:{round(0.82 * width)}px"', 1
    )


def _legend(told: Told) -> str:
    names = dict.fromkeys(artifact.kind() for artifact in told.artifacts.values())
    marks = [
        f"<span>{element('svg', shape(kind(name).shape, (7, 7), f'var(--{kind(name).token})'), viewBox='0 0 14 14')}"
        f"{escape(name)}</span>"
        for name in names
    ]
    return f'<div class="legend">{"".join(marks)}</div>' if marks else ""


# ---- plots


def run_figures(told: Told) -> Drawn:
    """All plots worth showing: each kind of evidence once, in the order of the graph."""
    curves = {name: curve_figure(rows, f"Training · {name}") for name, rows in rows_of_events(told.events).items()}
    figures: list[Figure] = []
    missing: list[str] = []
    for (name, _port), artifact in told.artifacts.items():
        drawn = figures_of(artifact, name, _audio_of(told, name))
        missing += drawn.missing
        if isinstance(artifact, AudioSet):
            figures += _audio_figures(told, name, drawn.figures)
        elif isinstance(artifact, Model):
            figures += _model_figures(told, name, drawn.figures, curves.get(name))
        else:
            figures += drawn.figures
    return Drawn(tuple(figures), tuple(missing))


def _audio_figures(told: Told, node: str, found: Sequence[Figure]) -> Sequence[Figure]:
    """Of a chain of audio sets the last one; its waveform only if no features show it already."""
    if _feeds(told, node, AudioSet):
        return ()
    return [figure for figure in found if not (figure.title.startswith("Waveform") and _feeds(told, node, FeatureSet))]


def _model_figures(told: Told, node: str, found: Sequence[Figure], live: Figure | None) -> Sequence[Figure]:
    """Curves as this run told them, else as the model keeps them; never again for a model made from a model."""
    is_derived = any(isinstance(taken, Model) for taken in _taken(told, node))
    rest = [figure for figure in found if not figure.title.startswith("Training")]
    first = [live] if live is not None else [] if is_derived else [f for f in found if f not in rest]
    return [*first, *rest]


def _feeds(told: Told, node: str, type_: type[Artifact]) -> bool:
    """Whether a node that gives this type takes something from `node`."""
    targets = {link.target for link in told.workflow.links if link.source == node}
    return any(isinstance(artifact, type_) for (owner, _), artifact in told.artifacts.items() if owner in targets)


def _taken(told: Told, node: str) -> list[Artifact]:
    """The artifacts that a node took in."""
    ends = [(link.source, link.output) for link in told.workflow.links if link.target == node]
    return [told.artifacts[end] for end in ends if end in told.artifacts]


def _audio_of(told: Told, node: str) -> AudioSet | None:
    return next((taken for taken in _taken(told, node) if isinstance(taken, AudioSet)), None)


def _missing_card(told: str) -> str:
    return f'<section class="card warning"><b>!</b> {escape(sentence(told))}</section>'


def _plot_card(figure: Figure) -> str:
    title = f"<h3>{escape(figure.title)}<small>{escape(figure.caption)}</small></h3>"
    return f'<section class="card">{title}{figure.inline()}</section>'
