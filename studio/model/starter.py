"""From words or dropped files to the graph that makes sense of them. Pure but for a look at names; runs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from engine.errors import OssicleError
from engine.resource import project
from engine.workflow import SUFFIX, Workflow, load, with_values
from studio.model.dropped import Dropped, sort_dropped, usable
from studio.model.edit import describe

LOOK_AT: Final = 400
"""Names looked at to tell what a folder holds."""
AUDIO: Final = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")
NAMES: Final = re.compile(r"^([A-Za-z0-9]+)_([A-Za-z0-9]+)_(\d+)$")
"""File names that tell the label and the speaker: "7_theo_12"."""
NAME_PATTERN: Final = r"(?P<label>[^_]+)_(?P<speaker>[^_]+)_\d+"
Values = Mapping[str, JsonValue]


def workflow_for(given: Sequence[str] | Sequence[Path]) -> Workflow:
    """A whole graph for words to be spotted, or for dropped recordings.

    Raises:
        OssicleError: nothing given, or nothing that can be taken in.
    """
    paths = [item for item in given if isinstance(item, Path)]
    return for_files(paths) if paths else for_words(str(item) for item in given)


def for_words(words: Iterable[str]) -> Workflow:
    """The spotter of a few words: spoken by many voices, trained, quantized, deployed.

    Raises:
        OssicleError: fewer than one word.
    """
    wanted = list(dict.fromkeys(" ".join(word.split()).casefold() for word in words if word.strip()))
    if not wanted:
        raise OssicleError("no word was given", "at least one word to listen for", "Type a word and press Enter")
    made = with_values(load(project(f"demo{SUFFIX}")), {"data": list[Any](wanted)})
    told = ", ".join(wanted)
    return describe(made, name=_slug("_".join(wanted[:3])), about=f"A spotter of {told}, from voices made here.")


def for_files(paths: Sequence[Path]) -> Workflow:
    """The graph that makes sense of a folder, an archive or recordings.

    Raises:
        OssicleError: nothing that can be taken in.
    """
    found = usable(sort_dropped(paths))
    source = _source(found)
    base, values = _recipe(source)
    made = with_values(load(project(f"{base}{SUFFIX}")), {"data": str(source), **values})
    name = _slug(source.name.partition(".")[0])
    return describe(made, name=name, about=f"Recordings of {source.name}, from audio to a deployed model.")


def nodes_for(paths: Sequence[Path]) -> Workflow:
    """Nodes to add to the present graph: one ingest per source, set up for what it holds."""
    found = usable(sort_dropped(paths))
    sources = dict.fromkeys(_source([item]) for item in found)
    graphs = [for_files([source]) for source in sources]
    nodes = {}
    for number, graph in enumerate(graphs, 1):
        node = graph.nodes["ingest-1"]
        source = str(graph.variables["data"])
        nodes[f"ingest-{number}"] = node.model_copy(update={"params": {**node.params, "source": source}})
    layout: dict[str, JsonValue] = {"positions": {name: [0, 150 * k] for k, name in enumerate(nodes)}}
    return Workflow(name="dropped", nodes=nodes, layout=layout)


def _source(found: Sequence[Dropped]) -> Path:
    """What to ingest: the dropped folder or archive; of single recordings, the folder they lie in."""
    first = found[0]
    return first.path.parent if first.kind == "recording" else first.path


def _recipe(source: Path) -> tuple[str, Values]:
    """The project to start from, and its settings, by what the source looks like."""
    names = list(_names(source)) if source.is_dir() else []
    text = source.name.casefold()
    if "testing_list.txt" in names or "speech_commands" in text:
        return "keyword_spotting", {}
    if any(name.startswith("esc50") and name.endswith(".csv") for name in names) or "esc-50" in text or "esc10" in text:
        return "sound_events", {}
    layout: dict[str, JsonValue] = {"ingest-1.layout": "auto", "partition-1.rule": "stratified"}
    stems = [Path(name).stem for name in names if name.casefold().endswith(AUDIO)]
    if stems and sum(bool(NAMES.match(stem)) for stem in stems) > 0.9 * len(stems):
        layout |= {"ingest-1.layout": "names", "ingest-1.name_pattern": NAME_PATTERN, "partition-1.rule": "speaker"}
    return "keyword_spotting", layout


def _names(folder: Path) -> Iterator[str]:
    """Some names in a folder and in its first folders."""
    try:
        entries = sorted(folder.iterdir())[:LOOK_AT]
    except OSError as error:
        raise OssicleError(
            f"{folder} cannot be read ({error})", "a readable folder", "Check its permissions"
        ) from error
    yield from (entry.name for entry in entries)
    for entry in [entry for entry in entries if entry.is_dir()][:3]:
        yield from (path.name for path in sorted(entry.iterdir())[:LOOK_AT])


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_") or "untitled"
