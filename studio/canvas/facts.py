"""The words on a node's box: title, state, two lines of fact, foot, and the tooltips. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from engine.errors import sentence
from engine.node import NodeSpec, Port
from engine.theme import state as state_of
from engine.variables import fill
from engine.workflow import Link, Mode, Node
from studio.run.state import NodeState, reason_of

LINES: Final = 2
OWN_WORD_LENGTH: Final = 14
"""A failed node may say in its own few words what is wrong ("does not fit")."""
MODE_STATES: Final[Mapping[Mode, str]] = {"muted": "muted", "bypassed": "bypassed"}
TIMED: Final = frozenset({"done", "cached", "failed", "cancelled", "interrupted", "attention"})
"""States whose time is the time this result took."""
LAST: Final = frozenset({"stale", "queued", "waiting"})
"""States whose time is that of the last run."""


@dataclass(frozen=True)
class Words:
    """Everything written on a box."""

    title: str
    state: str
    mark: str
    token: str
    lines: tuple[str, ...]
    about: str
    error: str
    foot: str
    time: str


def words_of(
    name: str,
    node: Node,
    spec: NodeSpec | None,
    state: NodeState,
    lines: tuple[str, ...],
    values: Mapping[str, JsonValue],
) -> Words:
    """What a box says. `lines` are facts of a result; without any its parameters speak."""
    shown = state_of(MODE_STATES.get(node.mode, state.state))
    error = state.error.what if state.error is not None and state.state == "failed" else ""
    return Words(
        title=spec.title if spec is not None else title_of_unknown(node.type),
        state=state_word(node, state),
        mark=shown.mark,
        token=shown.token,
        lines=(lines or parameter_lines(node, spec, values))[:LINES],
        about=about_of(spec),
        error=error,
        foot=foot_of(name, node, values),
        time=time_text(state),
    )


def about_of(spec: NodeSpec | None) -> str:
    """The first sentence of what a type does, for a box that has nothing else to tell."""
    return spec.about.split("\n", 1)[0].split(". ", 1)[0].rstrip(".") if spec is not None else ""


def title_of_unknown(type: str) -> str:
    """A title for a type that is not installed: the last part of its id."""
    return type.rsplit(".", 1)[-1].replace("_", " ").capitalize() or "Unknown"


def state_word(node: Node, state: NodeState) -> str:
    """The word beside the mark: "62 %", "does not fit", or the state's own."""
    if node.mode in MODE_STATES:
        return state_of(MODE_STATES[node.mode]).word
    if state.state == "running" and state.fraction > 0:
        return f"{state.fraction:.0%}".replace("%", " %")
    if state.state == "failed" and 0 < len(state.text) <= OWN_WORD_LENGTH:
        return state.text
    return state_of(state.state).word


def parameter_lines(node: Node, spec: NodeSpec | None, values: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """What was set on this node, the first on a line of its own; an unknown type says which it is."""
    if spec is None:
        return (node.type, "not installed")
    given = [(name, fill(value, values)) for name, value in node.params.items() if name != "preset"]
    told = [f"{label(name)} {value_text(value)}" for name, value in given]
    return tuple(line for line in (*told[:1], " · ".join(told[1:])) if line)


def label(name: str) -> str:
    """A parameter's name as words."""
    return name.replace("_", " ")


def value_text(value: JsonValue) -> str:
    """A parameter's value, short."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(value_text(item) for item in value)
    if isinstance(value, dict):
        return f"{len(value)} values"
    return "none" if value is None else str(value)


def foot_of(name: str, node: Node, values: Mapping[str, JsonValue]) -> str:
    """The id, and the preset if there is one."""
    preset = node.params.get("preset")
    return f"{name} · {fill(preset, values)}" if isinstance(preset, str) else name


def time_text(state: NodeState) -> str:
    """Time taken, or left while it runs; "" if there is none to tell."""
    if state.state == "running":
        return (
            f"{clock(state.left_s)} left" if state.left_s is not None else clock(state.seconds) if state.seconds else ""
        )
    if state.state in TIMED:
        return short_time(state.seconds)
    return f"last {short_time(state.seconds)}" if state.state in LAST and state.seconds > 0 else ""


def clock(seconds: float) -> str:
    """Minutes and seconds: 158 gives "2:38"; hours where there are any."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def short_time(seconds: float) -> str:
    """A time as people say it: "16 µs", "0.6 s", "2:38"."""
    if 0 < seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if 0 < seconds < 0.095:
        return f"{seconds * 1e3:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def node_tooltip(name: str, node: Node, spec: NodeSpec | None, state: NodeState, words: Words) -> str:
    """The whole story of a node, as the tooltip tells it."""
    about = (spec.about.split("\n", 1)[0] if spec is not None else f"The type {node.type} is not installed. "
             "It is kept as it is and written back unchanged.")  # fmt: skip
    told = [f"{words.title} · {name}", about, f"{words.mark} {words.state}", *words.lines]
    told += [text for text in (state.text, reason_of(state), words.time) if text and text not in told]
    return "\n".join([*told, *([str(state.error)] if state.error is not None else [])])


def port_tooltip(port: Port | None, name: str, kind: str, is_output: bool) -> str:
    """What goes through a port."""
    if port is None:
        return f"{name}: this {'output' if is_output else 'input'} is not known here; its wire is kept as it is"
    notes = [("optional", port.optional and not port.many), ("takes any number of wires", port.many)]
    more = ", ".join(text for text, holds in notes if holds)
    return f"{name}: {kind}" + (f" ({more})" if more else "")


def link_tooltip(link: Link, kind: str) -> str:
    """What a wire carries."""
    return f"{sentence(kind) if kind else 'Unknown type.'} {link}"
