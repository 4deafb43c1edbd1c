"""Earlier runs read back from their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.runs import EVENTS
from studio.run.history import curves, events_of, last_replay, replay, runs_of


def test_a_real_run_is_read_back(small_run: Any) -> None:
    record = small_run.record
    found = replay(record.folder)
    assert found.fold.state == "done"
    assert {n: s.state for n, s in found.fold.nodes.items()} == {n: r.state for n, r in record.nodes.items()}
    assert {n: dict(s.outputs) for n, s in found.fold.nodes.items()} == {n: record.artifacts(n) for n in record.nodes}
    assert all(round(s.seconds, 3) == round(record.nodes[n].seconds, 3) for n, s in found.fold.nodes.items())
    assert len(found.fold.rows("train-1")) > 2
    assert found.fold.workflow is not None and found.fold.workflow.nodes == small_run.workflow.nodes
    place = (record.home, record.workflow, record.base)
    assert runs_of(*place)[0] == record.folder
    (curve,) = curves(*place, "train-1", but="another")
    assert (curve.run, list(curve.rows)) == (record.id, found.fold.rows("train-1"))
    assert curves(*place, "train-1", but=record.id) == ()
    assert curves(*place, "mfcc-1", but="") == ()


def test_what_is_not_there_or_garbled(small_run: Any, tmp_path: Path) -> None:
    assert last_replay(tmp_path, "w", tmp_path) is None
    assert last_replay(small_run.record.home, "another", small_run.record.base) is None
    whole = (small_run.record.folder / EVENTS).read_bytes().splitlines(keepends=True)
    torn = tmp_path / "runs" / "torn"
    torn.mkdir(parents=True)
    (torn / EVENTS).write_bytes(b"nonsense\n\xff\n[]\n" + b"".join(whole[:-1]) + whole[-1][:10])
    assert len(list(events_of(torn / EVENTS))) == len(whole) - 1
    found = replay(torn)
    assert found.fold.state == "interrupted" and found.fold.workflow is None
    assert found.fold.folder == torn
    assert list(events_of(tmp_path / "gone")) == []
