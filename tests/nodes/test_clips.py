"""Facts about clips: counts, duplicates, problems, statistics per subset."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine import FileProblem
from engine.audio import AudioWriter, Clip
from nodes.clips import MAX_PROBLEMS, audio_set


def test_facts(tmp_path: Path) -> None:
    with AudioWriter(tmp_path) as writer:
        for n in range(6):
            subset = ("training", "testing", "background")[n // 2 if n < 4 else 2]
            writer.add(Clip(f"{n}", "ab"[n % 2], f"s{n % 3}", f"f{n}", subset), np.full(500, n // 2, np.int16))
        writer.add(Clip("still", "silence", subset="training"), np.zeros(500, np.int16))
    assert writer.table is not None
    problems = [FileProblem(file=f"{n}", what="broken") for n in range(MAX_PROBLEMS + 5)]
    made = audio_set(tmp_path, writer.table, 1000, ("a", "b", "silence"), problems, "CC0")
    assert made.meta.counts == {
        "clips": 5,
        "speakers": 3,
        "training": 3,
        "testing": 2,
        "background": 2,
        "duplicates": 2,
        "problems": MAX_PROBLEMS + 5,
    }
    assert made.meta.about == "5 clips · 3 classes · 3 speakers · 0.0 min · 1,005 files left out"
    assert len(made.meta.problems) == MAX_PROBLEMS and len(made.json("problems.json")) == MAX_PROBLEMS + 5
    assert made.json("statistics.json")["testing"] == {
        "clips": 2,
        "classes": 2,
        "speakers": 2,
        "minutes": 0.017,
        "mean_s": 0.5,
        "sd_s": 0.0,
    }
    assert made.meta.licence == "CC0"
