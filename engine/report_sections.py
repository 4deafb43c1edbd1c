"""The lower part of a run's report: errors, nodes, file problems, lineage, log and machine, each a piece of HTML."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

from engine.artifact import Artifact, load
from engine.console import count, duration, size
from engine.errors import OssicleError, sentence
from engine.event import Event, read_events
from engine.evidence import facts_of, plain
from engine.execute import installed
from engine.library import load_flat
from engine.record import NodeRecord, RunRecord
from engine.runs import ENVIRONMENT, EVENTS, WORKFLOW
from engine.theme import state
from engine.workflow import Workflow

MOST_PROBLEMS, MOST_LOG = 200, 400
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
        load_flat(record.folder / WORKFLOW, installed()),
        artifacts,
        read_events(record.folder / EVENTS),
        json.loads((record.folder / ENVIRONMENT).read_text(encoding="utf-8")),
    )


def _open(path: Path) -> Artifact | None:
    try:
        return load(path)
    except OssicleError:
        return None


def error_card(node: NodeRecord) -> str:
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
        f'<details><summary><span style="color:var(--{look.token})">{look.mark} {look.word}</span>'
        f"<b>{escape(node.node)}</b>"
        f'<span class="fill">{escape(about)}</span><span class="n">{duration(node.seconds)}</span></summary>'
        f'<div class="two"><div>{why}{_table(("parameter", "value"), rows)}</div>'
        f"<div>{_table(('result', ''), facts)}</div></div></details>"
    )


def problems_section(told: Told) -> str:
    """Input files that were left out, each once."""
    first: dict[tuple[str, str], str] = {}
    for (owner, _), artifact in told.artifacts.items():
        for problem in artifact.meta.problems:
            first.setdefault((problem.file, problem.what), owner)
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
            f'<span class="k"><b>{escape(name)}</b>.{escape(port)}</span>',
            f'<span class="k">{escape(artifact.kind())}</span>',
            escape(", ".join(sources)) or '<span class="mute">(a source)</span>',
            f'<code class="k" title="{node.outputs[port]}">{node.outputs[port][:12]}</code>',
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


def claims_section(told: Told) -> str:
    """Printed numbers held against this run's."""
    from engine.claim import summary
    from engine.report_claims import claims_table, run_verdicts

    found = run_verdicts(told.record.id, told.workflow, told.artifacts)
    return _card("Claims", summary(found), claims_table(found)) if found else ""


SECTIONS: Final[Sequence[Callable[[Told], str]]] = (
    claims_section,
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
