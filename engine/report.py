"""`runs/<id>/report.html`: one file that tells a run: graph, figures, plots, parameters, problems, lineage, machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any, Final

from engine.artifact import Artifact, AudioSet, Deployment, FeatureSet, Firmware, Model, Report, load
from engine.console import count, duration, size
from engine.drawing import Box, Wire, graph
from engine.errors import OssicleError, sentence
from engine.event import Event, read_events
from engine.evidence import (
    by,
    curve_figure,
    facts_of,
    figures_of,
    interval_text,
    metric_text,
    plain,
    rows_of_events,
)
from engine.execute import installed
from engine.record import NodeRecord, RunRecord
from engine.resource import resource
from engine.runs import ENVIRONMENT, EVENTS, WORKFLOW
from engine.svg import STYLE, Figure, element, shape
from engine.theme import kind, state, variables
from engine.workflow import Workflow
from engine.workflow import load as load_workflow

REPORT_FILE: Final = "report.html"
MOST_PROBLEMS, MOST_LOG, MOST_PLOTS = 200, 400, 24
KEY_PACKAGES: Final = (
    "ossicle", "numpy", "torch", "librosa", "onnx", "onnxruntime", "h5py", "prefect", "pydantic", "scikit-learn",
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """Everything a report is made of, read from the run folder and the store."""

    record: RunRecord
    workflow: Workflow
    artifacts: Mapping[tuple[str, str], Artifact]
    events: Sequence[Event]
    environment: Mapping[str, Any]


def write_report(record: RunRecord) -> Path:
    """Write the report of a run into its folder."""
    path = record.folder / REPORT_FILE
    part = path.with_name(f".{REPORT_FILE}")
    part.write_text(render(gather(record)), encoding="utf-8")
    part.replace(path)
    return path


def gather(record: RunRecord) -> Told:
    """Read what a report needs. An artifact that is gone or damaged is left out."""
    artifacts = {
        (name, port): found
        for name in record.nodes
        for port, path in record.artifacts(name).items()
        if (found := _open(path)) is not None
    }
    return Told(
        record,
        load_workflow(record.folder / WORKFLOW),
        artifacts,
        read_events(record.folder / EVENTS),
        json.loads((record.folder / ENVIRONMENT).read_text(encoding="utf-8")),
    )


def _open(path: Path) -> Artifact | None:
    try:
        return load(path)
    except OssicleError:
        return None


def render(told: Told) -> str:
    """The page."""
    record, look = told.record, state(told.record.state)
    drawing = run_graph(told)
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.started_s))
    return Template(resource("report/page.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"{record.workflow} · {look.word}"),
        style=variables() + resource("report/style.css").read_text(encoding="utf-8") + STYLE,
        name=escape(record.workflow),
        state_token=look.token,
        state_mark=look.mark,
        state_word=look.word,
        when=f"{started} · {duration(record.seconds)} · {escape(record.runner)}",
        about=f'<p class="about">{escape(told.workflow.about)}</p>' if told.workflow.about else "",
        tiles="".join(tiles(told)),
        errors="".join(_error_card(node) for node in record.nodes.values() if node.error is not None),
        graph_caption=escape(drawing.caption),
        graph=_natural(drawing),
        legend=_legend(told),
        plots="".join(_plot_card(figure) for figure in run_figures(told)[:MOST_PLOTS]),
        sections="".join(section(told) for section in SECTIONS),
        version=escape(version("ossicle")),
        run=escape(record.id),
    )


# ---- headline figures


@dataclass(frozen=True)
class Tile:
    """One headline figure."""

    name: str
    value: str
    unit: str = ""
    note: str = ""

    def __str__(self) -> str:
        unit = f"<i>{escape(self.unit)}</i>" if self.unit else ""
        note = f"<small>{escape(self.note)}</small>" if self.note else ""
        return f'<div class="tile"><span>{escape(self.name)}</span><b>{escape(self.value)}{unit}</b>{note}</div>'


def tiles(told: Told) -> Iterator[str]:
    """Nodes, then the latest accuracy, model, latency and image: what a person looks for first."""
    states: dict[str, int] = {}
    for node in told.record.nodes.values():
        states[node.state] = states.get(node.state, 0) + 1
    words = ", ".join(f"{number} {state(name).word}" for name, number in states.items())
    yield str(Tile("nodes", f"{len(told.record.nodes):,}", "", words))
    latest = {type(artifact): artifact for artifact in told.artifacts.values()}
    for type_, make in TILES.items():
        if type_ in latest:
            yield from map(str, make(latest[type_].meta))


def _split(words: str, note: str = "") -> tuple[str, str, str]:
    value, _, unit = words.partition(" ")
    return value, unit, note


def _report_tiles(meta: Any) -> Iterator[Tile]:
    metrics = meta.metrics
    if "accuracy" in metrics:
        told = interval_text("accuracy", metrics).strip(" ()")
        note = f"95 % interval {told}" if told else meta.title
        yield Tile("accuracy", *_split(metric_text("accuracy", metrics["accuracy"]), note))


def _model_tiles(meta: Any) -> Iterator[Tile]:
    yield Tile("parameters", f"{meta.parameters:,}", "", f"{meta.architecture}, {meta.precision}")
    yield Tile("model size", *_split(size(meta.size_bytes), f"input {by(meta.input_shape)}"))
    if "true" in meta.flops:
        yield Tile("operations", f"{meta.flops['true'] / 1e6:,.2f}", "MFLOP", "2 × multiply-adds, one inference")


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
    outputs = {port.name: port.type.kind() for port in spec.outputs} if spec else {}
    wired = {link.input for link in told.workflow.links if link.target == name}
    shown = record.state if record is not None else node.mode if node.mode != "active" else "never"
    return Box(
        name,
        spec.title if spec else node.type.rsplit(".", 1)[-1],
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
    while len(first) < len(parts) and len(" · ".join([*first, parts[len(first)]])) <= 25:
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


def run_figures(told: Told) -> list[Figure]:
    """All plots worth showing: each kind of evidence once, in the order of the graph."""
    curves = {name: curve_figure(rows, f"Training · {name}") for name, rows in rows_of_events(told.events).items()}
    figures: list[Figure] = []
    for (name, _port), artifact in told.artifacts.items():
        if isinstance(artifact, AudioSet) and _feeds(told, name, AudioSet, FeatureSet):
            figures += [figure for figure in figures_of(artifact).figures[1:] if not _feeds(told, name, AudioSet)]
        elif isinstance(artifact, Model) and curves.get(name) is not None:
            continue
        else:
            figures += figures_of(artifact, _audio_of(told, name)).figures
    live = [figure for figure in curves.values() if figure is not None]
    return [*figures[:1], *live, *figures[1:]] if live else figures


def _feeds(told: Told, node: str, *types: type[Artifact]) -> bool:
    """Whether a node that gives one of these types takes something from `node`."""
    targets = {link.target for link in told.workflow.links if link.source == node}
    return any(isinstance(artifact, types) for (owner, _), artifact in told.artifacts.items() if owner in targets)


def _audio_of(told: Told, node: str) -> AudioSet | None:
    """The audio that a node took in."""
    for link in told.workflow.links:
        found = told.artifacts.get((link.source, link.output)) if link.target == node else None
        if isinstance(found, AudioSet):
            return found
    return None


def _plot_card(figure: Figure) -> str:
    title = f"<h3>{escape(figure.title)}<small>{escape(figure.caption)}</small></h3>"
    return f'<section class="card">{title}{figure.inline()}</section>'


# ---- sections


def _error_card(node: NodeRecord) -> str:
    fault = node.error
    if fault is None:
        return ""
    trace = (
        f"<details><summary>Traceback</summary><pre>{escape(fault.traceback)}</pre></details>"
        if fault.traceback
        else ""
    )
    return (
        f'<section class="card error"><b>{escape(node.node)}: {escape(sentence(fault.what))}</b>'
        f"<p>Expected: {escape(sentence(fault.expected))}</p><p>{escape(sentence(fault.remedy))}</p>{trace}</section>"
    )


def nodes_section(told: Told) -> str:
    """Per node its parameters (those that are set marked), results and why it was run."""
    rows = (_node(node, told) for node in told.record.nodes.values())
    return _card("Nodes", "parameters and results; a bar marks what the file sets", *rows)


def _node(node: NodeRecord, told: Told) -> str:
    look = state(node.state)
    placed = told.workflow.nodes.get(node.node)
    given = placed.params if placed is not None else {}
    params = node.recipe.params if node.recipe is not None else given
    rows = [
        _row([f"<code>{escape(k)}</code>", escape(plain(v))], "set" if k in given else "") for k, v in params.items()
    ]
    results = [a for (owner, _), a in told.artifacts.items() if owner == node.node]
    about = " · ".join(a.meta.about for a in results if a.meta.about) or node.reason
    facts = [_row([escape(name), escape(value)]) for a in results for name, value in facts_of(a) if name != "about"]
    why = f'<p class="mute">{escape(sentence(node.reason))}</p>' if node.reason else ""
    return (
        f'<details><summary><span style="color:var(--{look.token})">{look.mark} {look.word}</span><b>{escape(node.node)}</b>'
        f'<span class="fill">{escape(about)}</span><span class="n">{duration(node.seconds)}</span></summary>'
        f'<div class="two"><div>{why}{_table(("parameter", "value"), rows)}</div>'
        f"<div>{_table(('result', ''), facts)}</div></div></details>"
    )


def problems_section(told: Told) -> str:
    """Input files that were left out, each once."""
    found = {(p.file, p.what): owner for (owner, _), a in told.artifacts.items() for p in reversed(a.meta.problems)}
    first = {pair: owner for pair, owner in reversed([*found.items()])}
    rows = [
        _row([escape(file), escape(what), escape(owner)]) for (file, what), owner in [*first.items()][:MOST_PROBLEMS]
    ]
    if not rows:
        return ""
    more = f"the first {MOST_PROBLEMS} of {len(first):,}" if len(first) > MOST_PROBLEMS else count(len(first), "file")
    return _card("File problems", f"{more}; the rest went on", _table(("file", "what", "first seen at"), rows))


def lineage_section(told: Told) -> str:
    """From every result back to its sources."""
    rows = [_lineage_row(told, name, port) for name, port in told.artifacts]
    head = ("result", "type", "made from", "content key", "source")
    return _card("Lineage", "every result, what it was made from, and its digest", _table(head, rows)) if rows else ""


def _lineage_row(told: Told, name: str, port: str) -> str:
    node, artifact = told.record.nodes[name], told.artifacts[name, port]
    sources = [f"{link.source}.{link.output}" for link in told.workflow.links if link.target == name]
    outside = node.recipe.fingerprint if node.recipe is not None else None
    words = plain(outside) if outside is not None else ""
    return _row(
        [
            f"<b>{escape(name)}</b>.{escape(port)}",
            escape(artifact.kind()),
            escape(", ".join(sources)) or '<span class="mute">(a source)</span>',
            f'<code title="{node.outputs[port]}">{node.outputs[port][:12]}</code>',
            f"<code>{escape(words if len(words) < 160 else words[:159] + '…')}</code>" if words else "",
        ]
    )


def log_section(told: Told) -> str:
    """Warnings open, the rest of the log on demand."""
    logs = [event for event in told.events if event.kind == "log"]
    warnings = [
        f"<p><b>{escape(e.node or 'run')}</b> {escape(_text(e))}</p>"
        for e in logs
        if e.values.get("level") == "warning"
    ]
    lines = [f"{event.node:16} {_text(event)}" for event in logs[-MOST_LOG:]]
    if not logs:
        return ""
    whole = (
        f"<details><summary>Log, {count(len(logs), 'line')}</summary><pre>{escape(chr(10).join(lines))}</pre></details>"
    )
    return _card("Log", count(len(warnings), "warning"), f'<div class="warning">{"".join(warnings)}</div>', whole)


def _text(event: Event) -> str:
    return str(event.values.get("text", ""))


def environment_section(told: Told) -> str:
    """The machine and the packages."""
    found = told.environment
    machine = found.get("machine", {})
    rows = [
        ("processor", f"{machine.get('processor', '?')}, {count(int(machine.get('cores', 0)), 'core')}"),
        ("memory", size(found.get("memory_bytes", 0))),
        ("system", str(found.get("platform", ""))),
        ("python", f"{found.get('python', '')} ({found.get('implementation', '')})"),
        ("threads", ", ".join(f"{key}={value}" for key, value in found.get("threads", {}).items()) or "not limited"),
        ("project", str(told.record.base)),
    ]
    packages: Mapping[str, str] = found.get("packages", {})
    chosen = [
        _row([escape(name), f"<code>{escape(packages[name])}</code>"]) for name in KEY_PACKAGES if name in packages
    ]
    listed = "\n".join(f"{name}=={number}" for name, number in packages.items())
    left = _table(("", ""), [_row([escape(name), escape(value)]) for name, value in rows])
    whole = f"<details><summary>All {len(packages)} packages</summary><pre>{escape(listed)}</pre></details>"
    return _card(
        "Environment", "what this run ran on", f'<div class="two">{left}{_table(("package", ""), chosen)}</div>', whole
    )


SECTIONS: Final[Sequence[Callable[[Told], str]]] = (
    nodes_section,
    problems_section,
    lineage_section,
    log_section,
    environment_section,
)


def _card(title: str, caption: str, *parts: str) -> str:
    return f'<section class="card"><h2>{escape(title)}<small>{escape(caption)}</small></h2>{"".join(parts)}</section>'


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    if not rows:
        return ""
    top = f"<thead><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr></thead>" if any(head) else ""
    return f"<table>{top}<tbody>{''.join(rows)}</tbody></table>"


def _row(cells: Sequence[str], class_: str = "") -> str:
    marked = f' class="{class_}"' if class_ else ""
    return f"<tr{marked}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
