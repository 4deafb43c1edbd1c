"""One end of a wire, by name: what signals and helpers of the canvas speak of instead of items."""

from __future__ import annotations

from dataclasses import dataclass

from engine.workflow import Link


@dataclass(frozen=True, order=True)
class PortEnd:
    """A port of a node."""

    node: str
    port: str
    is_output: bool

    def __str__(self) -> str:
        return f"{self.node}.{self.port}"


def link_between(a: PortEnd, b: PortEnd) -> Link | None:
    """The link that two ends would make, whichever was given first; None for two inputs or two outputs."""
    if a.is_output == b.is_output:
        return None
    source, target = (a, b) if a.is_output else (b, a)
    return Link(source.node, source.port, target.node, target.port)


def ends_of(link: Link) -> tuple[PortEnd, PortEnd]:
    """Output end and input end of a link."""
    return PortEnd(link.source, link.output, True), PortEnd(link.target, link.input, False)
