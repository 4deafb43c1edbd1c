"""From words or dropped files to the graph that makes sense of them. Pure but for a look at names; runs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from engine.errors import OssicleError
from engine.resource import project
from engine.workflow import SUFFIX, Node, Workflow, load, with_values
from studio.model.dropped import Dropped, sort_dropped, usable
from studio.model.edit import Place, describe, move
from studio.model.look_at import Seen, look_at
from studio.model.places import COLUMN, ROW

RESERVED: Final = frozenset({"unknown", "silence", "background"})
"""Classes that the speak node makes by itself."""
LONGEST_WORD: Final = 60
MOST_WORDS: Final = 200
INGEST: Final = "ossicle.ingest"
SPEAK: Final = "ossicle.speak"
PROJECTS: Final[Mapping[str, str]] = {"esc50": "sound_events", "urbansound8k": "sound_events"}
"""The shipped project that a layout starts from; any other from `keyword_spotting`."""
URBAN_CLIP_S: Final = 4.0
"""Length of UrbanSound8K's clips, at most."""
Given = Sequence[str] | Sequence[Path]


def workflow_for(given: Given) -> Workflow:
    """A whole graph for words to be spotted, or for dropped files; of a workflow file, that workflow.

    Raises:
        OssicleError: nothing given, or nothing that can be taken in.
    """
    paths = [item for item in given if isinstance(item, Path)]
    return for_files(paths) if paths else for_words([str(item) for item in given])


def nodes_for(given: Given, at: Place = (0.0, 0.0)) -> Workflow:
    """Nodes to add to the present graph, the first at a place: one that speaks the words, or an ingest per source.

    Raises:
        OssicleError: nothing given, or nothing that can be taken in.
    """
    paths = [item for item in given if isinstance(item, Path)]
    if not paths:
        words = clean_words(str(item) for item in given)
        nodes = {"speak-1": Node(type=SPEAK, params={"words": list[Any](words)})}
    else:
        sources = sources_of(usable(sort_dropped(paths)))
        nodes = {f"ingest-{k}": ingest_of(source, look_at(source)) for k, source in enumerate(sources, 1)}
    places = {name: (at[0], at[1] + ROW * k) for k, name in enumerate(nodes)}
    return move(Workflow(name="dropped", nodes=nodes), places)


# ---- words


def clean_words(words: Iterable[str]) -> list[str]:
    """Words as the speak node takes them: small letters, single spaces, each once.

    Raises:
        OssicleError: none, too many, a reserved one, or one that cannot be spoken.
    """
    wanted = list(dict.fromkeys(found for word in words if (found := " ".join(word.split()).casefold())))
    if not wanted:
        raise OssicleError("no word was given", "at least one word to listen for", "Type a word and press Enter")
    if len(wanted) > MOST_WORDS:
        raise OssicleError(f"{len(wanted)} words were given", f"at most {MOST_WORDS}", "Take fewer words")
    for word in wanted:
        _check_word(word)
    return wanted


def _check_word(word: str) -> None:
    if word in RESERVED:
        raise OssicleError(
            f"{word!r} is a class that comes by itself", f"words other than {', '.join(sorted(RESERVED))}",
            "Choose another word",
        )  # fmt: skip
    if len(word) > LONGEST_WORD or not any(letter.isalnum() for letter in word):
        raise OssicleError(
            f"{word[:20]!r} cannot be spoken", f"a word of letters, at most {LONGEST_WORD} of them",
            "Type it as it is written",
        )  # fmt: skip


def for_words(words: Iterable[str]) -> Workflow:
    """The spotter of a few words: spoken by many voices, trained, quantized, deployed.

    Raises:
        OssicleError: see `clean_words`.
    """
    wanted = clean_words(words)
    made = with_values(load(project(f"demo{SUFFIX}")), {"data": list[Any](wanted)})
    told = ", ".join(wanted[:8]) + (", …" if len(wanted) > 8 else "")
    return describe(made, name=_slug("_".join(wanted[:3])), about=f"Listens for {told}; learnt from made voices.")


# ---- files


def for_files(paths: Sequence[Path]) -> Workflow:
    """The graph that makes sense of folders, archives or recordings; a workflow file is opened.

    Several sources: the first becomes the whole graph, the others wait beside it as ingest nodes.

    Raises:
        OssicleError: nothing that can be taken in.
    """
    found = usable(sort_dropped(paths))
    for item in found:
        if item.kind == "workflow":
            return load(item.path)
    first, *others = sources_of(found)
    seen = look_at(first)
    values: dict[str, JsonValue] = {"ingest-1.layout": seen.layout, "partition-1.rule": seen.rule, "data": str(first)}
    values |= {f"ingest-1.{name}": value for name, value in seen.values.items()}
    if seen.layout == "urbansound8k":
        values["log-mel-1.clip_s"] = URBAN_CLIP_S
    base = PROJECTS.get(seen.layout, "keyword_spotting")
    made = with_values(load(project(f"{base}{SUFFIX}")), values)
    name = first.name.partition(".")[0]
    made = describe(made, name=_slug(name), about=f"{name}: {seen.why}; from audio to a deployed model.")
    return _beside(made, others)


def sources_of(found: Sequence[Dropped]) -> list[Path]:
    """What to ingest: dropped folders and archives; of single recordings, the folders they lie in."""
    items = [item for item in found if item.kind != "workflow"]
    chosen = [item.path.parent if item.kind == "recording" else item.path for item in items]
    return list(dict.fromkeys(chosen))


def ingest_of(source: Path, seen: Seen) -> Node:
    """An ingest node set up for what a source holds."""
    params: dict[str, JsonValue] = {"source": str(source), "layout": seen.layout, **seen.values}
    return Node(type=INGEST, params=params)


def _beside(made: Workflow, others: Sequence[Path]) -> Workflow:
    """Further sources as ingest nodes left of the graph."""
    nodes, places = dict(made.nodes), {}
    for number, source in enumerate(others):
        name = f"ingest-{number + 2}"
        nodes[name] = ingest_of(source, look_at(source))
        places[name] = (-float(COLUMN), float(ROW * number))
    return move(made.model_copy(update={"nodes": nodes}), places) if places else made


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:60] or "untitled"
