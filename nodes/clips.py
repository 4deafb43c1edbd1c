"""What ingest, speak and partition share: the facts and the statistics written beside a clip table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifact import AudioMeta, AudioSet, FileProblem
from engine.audio import ClipTable

if TYPE_CHECKING:
    from nodes.dsp.stats import Statistics

STATISTICS_FILE, PROBLEMS_FILE = "statistics.json", "problems.json"
MAX_PROBLEMS = 1000
"""So many problems are kept in the metadata; the file has all."""


def audio_set(
    folder: Path,
    table: ClipTable,
    rate_hz: int,
    classes: Sequence[str],
    problems: Sequence[FileProblem] = (),
    licence: str = "",
) -> AudioSet:
    """Describe clips already written to `folder`: metadata, statistics.json and, if any, problems.json."""
    facts = clip_statistics(table, rate_hz)
    write_json(folder / STATISTICS_FILE, {name: asdict(one) for name, one in facts.items()})
    if problems:
        write_json(folder / PROBLEMS_FILE, [problem.model_dump() for problem in problems])
    counts = {
        "clips": facts["all"].clips,
        "speakers": facts["all"].speakers,
        **table.subset_counts(),
        "duplicates": duplicates(table),
        "problems": len(problems),
    }
    meta = AudioMeta(
        about=_about(facts["all"], len(problems)),
        problems=tuple(problems[:MAX_PROBLEMS]),
        rate_hz=rate_hz,
        classes=tuple(classes),
        licence=licence,
        counts=counts,
        minutes=facts["all"].minutes,
    )
    return AudioSet(folder, meta)


def clip_statistics(table: ClipTable, rate_hz: int) -> Mapping[str, Statistics]:
    """Statistics of all clips (background tracks apart) under "all", and per subset under its name."""
    from nodes.dsp.stats import statistics

    clips = table.clips()
    parts = {"all": clips, **{name: clips.of_subset(name) for name in clips.subset_counts()}}
    return {name: statistics(part.samples / rate_hz, part.label, part.speaker) for name, part in parts.items()}


def duplicates(table: ClipTable) -> int:
    """How many clips are byte-equal copies of an earlier one; generated silence is not counted."""
    recorded = table.clips()
    digests = recorded.sha256[recorded.source != ""].tolist()
    return len(digests) - len(set(digests))


def _about(facts: Statistics, problem_count: int) -> str:
    parts = [f"{facts.clips:,} clips", f"{facts.classes} classes"]
    parts += [f"{facts.speakers:,} speakers"] if facts.speakers else []
    parts += [f"{facts.minutes:.1f} min"]
    parts += [f"{problem_count:,} files left out"] if problem_count else []
    return " · ".join(parts)


def write_json(path: Path, value: object) -> None:
    """Write JSON for people: indented, one newline at the end."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
