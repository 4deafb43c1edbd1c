"""The page that reports of runs and of sweeps share: head, headline figures, what went wrong; the rest is theirs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from pathlib import Path
from string import Template

from engine.record import Record
from engine.resource import resource
from engine.svg import STYLE
from engine.theme import state, variables


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


@dataclass(frozen=True)
class Page:
    """What stands on a page.

    Attributes:
        kind: what it is about, in one word: "run" or "sweep".
        title: of the window, without the state.
        name: the heading.
        when: what stands beside the time at which it began.
        about: what the workflow says of itself.
        tiles, errors, body: HTML.
    """

    record: Record
    kind: str
    title: str
    name: str
    when: str
    about: str
    tiles: Iterable[str]
    errors: Iterable[str]
    body: str

    def __str__(self) -> str:
        look = state(self.record.state)
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.record.started_s))
        return Template(resource("report/page.html").read_text(encoding="utf-8")).substitute(
            title=escape(f"{self.title} · {look.word}"),
            style=variables() + resource("report/style.css").read_text(encoding="utf-8") + STYLE,
            name=escape(self.name),
            state_token=look.token,
            state_mark=look.mark,
            state_word=look.word,
            when=f"{started} · {escape(self.when)}",
            about=f'<p class="about">{escape(self.about)}</p>' if self.about else "",
            tiles="".join(self.tiles),
            errors="".join(self.errors),
            body=self.body,
            version=escape(version("ossicle")),
            kind=self.kind,
            id=escape(self.record.id),
        )


def write_page(page: str, path: Path) -> None:
    """Write it in one go: whoever reads it meanwhile has the old one whole."""
    part = path.with_name(f".{path.name}")
    part.write_text(page, encoding="utf-8")
    part.replace(path)
