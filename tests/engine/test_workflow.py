"""The workflow file: exact text, round trips, hostile and broken files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import workflow as wf
from engine.errors import OssicleError
from engine.migrate import migrate, upgrade_params

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
NODES = st.builds(
    lambda kind, version, params, mode: {"type": kind, "version": version, "params": params, "mode": mode},
    NAMES,
    st.integers(1, 9),
    st.dictionaries(NAMES, VALUES, max_size=3),
    st.sampled_from(["active", "muted", "bypassed"]),
)


@st.composite
def workflows(draw: st.DrawFn) -> wf.Workflow:
    nodes = draw(st.dictionaries(NAMES, NODES, max_size=5))
    ends = st.sampled_from(sorted(nodes) or ["ghost"])
    links = draw(st.lists(st.builds(wf.Link, ends, NAMES, ends, NAMES), max_size=5, unique=True))
    raw = {"name": draw(st.text(max_size=5)), "nodes": nodes, "links": sorted(map(str, links))}
    return wf.parse(raw | {"variables": draw(st.dictionaries(NAMES, VALUES, max_size=2))})


@given(workflows())
def test_text_and_back_is_the_same(workflow: wf.Workflow) -> None:
    text = wf.to_text(workflow)
    again = wf.parse(json.loads(text))
    assert again == workflow
    assert wf.to_text(again) == text


def test_moving_a_box_changes_only_layout() -> None:
    before = wf.parse({"nodes": {"b-1": {"type": "t"}, "a-1": {"type": "t"}}})
    after = before.model_copy(update={"layout": {"positions": {"a-1": [10, 20]}}})
    old, new = wf.to_text(before).split('"layout"'), wf.to_text(after).split('"layout"')
    assert old[0] == new[0] and old[1] != new[1]


def test_unknown_node_keys_are_written_back() -> None:
    raw = {"nodes": {"x-1": {"type": "plugin.x", "version": 3, "params": {"a": [1]}, "colour": "red"}}}
    assert wf.to_json(wf.parse(raw))["nodes"]["x-1"] == raw["nodes"]["x-1"]


def test_save_replaces_whole_files_and_leaves_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.workflow.json"
    wf.save(wf.parse({"name": "one"}), path)
    wf.save(wf.parse({"name": "two"}), path)
    assert wf.load(path).name == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["a.workflow.json"]


def test_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.workflow.json"
    wf.save(wf.parse({"name": "old"}), path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        wf.save(wf.parse({"name": "new"}), path)
    assert wf.load(path).name == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.workflow.json"]


BROKEN = {
    "truncated": ('{"format": 1, "nodes": {', "cannot be read as JSON"),
    "empty": ("", "cannot be read as JSON"),
    "list": ("[]", "holds list"),
    "newer": ('{"format": 99}', "has the format 99"),
    "format text": ('{"format": "1"}', "has the format '1'"),
    "wrong node": ('{"nodes": {"a-1": {"type": 3}}}', "nodes.a-1.type"),
    "wrong link": ('{"links": ["a to b"]}', "links.0"),
    "unknown key": ('{"nodez": {}}', "nodez"),
    "binary": ("\x00\x01", "cannot be read as JSON"),
    "too deep": ('{"layout": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}", ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_get_three_parts(name: str, tmp_path: Path) -> None:
    text, part = BROKEN[name]
    path = tmp_path / "x.workflow.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OssicleError) as caught:
        wf.load(path)
    assert part in str(caught.value)
    assert caught.value.what and caught.value.expected and caught.value.remedy


def test_all_faulty_places_are_named_at_once() -> None:
    with pytest.raises(wf.WorkflowError) as caught:
        wf.parse({"nodes": {"A 1": {"type": 3}}, "links": ["x"], "zz": 1})
    assert len(caught.value.details) >= 4


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="does not exist"):
        wf.load(tmp_path / "none.workflow.json")


def chain(count: int) -> wf.Workflow:
    nodes = {f"n-{i}": {"type": "t"} for i in range(count)}
    return wf.parse({"nodes": nodes, "links": [f"n-{i}.out -> n-{i + 1}.in" for i in range(count - 1)]})


def test_order_of_ten_thousand_nodes() -> None:
    assert wf.order(chain(10_000)) == [f"n-{i}" for i in range(10_000)]


def test_cycle_is_named() -> None:
    raw = {
        "nodes": {n: {"type": "t"} for n in "abcd"},
        "links": ["a.o -> b.i", "b.o -> c.i", "c.o -> b.j", "c.o -> d.i"],
    }
    with pytest.raises(OssicleError, match="b -> c -> b|c -> b -> c"):
        wf.order(wf.parse(raw))


def test_upto_keeps_only_ancestors() -> None:
    part = wf.upto(chain(5), "n-2")
    assert sorted(part.nodes) == ["n-0", "n-1", "n-2"] and len(part.links) == 2
    with pytest.raises(OssicleError, match="no node 'n-9'"):
        wf.upto(chain(5), "n-9")


def test_with_values_sets_parameters_and_variables() -> None:
    base = wf.parse({"variables": {"seed": 1}, "nodes": {"a-1": {"type": "t", "params": {"x": 1}}}})
    changed = wf.with_values(base, {"seed": 7, "a-1.y": [2]})
    assert changed.variables == {"seed": 7} and changed.nodes["a-1"].params == {"x": 1, "y": [2]}
    assert base.variables == {"seed": 1}
    for wrong in ("nothing", "b-1.x"):
        with pytest.raises(OssicleError):
            wf.with_values(base, {wrong: 1})


def test_migration_runs_every_step_in_turn() -> None:
    steps = {1: lambda raw: raw | {"name": raw["title"]}, 2: lambda raw: {k: v for k, v in raw.items() if k != "title"}}
    assert migrate({"title": "t"}, "f", steps, 3) == {"name": "t", "format": 3}


def test_upgrade_is_asked_only_for_older_parameters() -> None:
    from engine import AudioSet, Params, node

    class P(Params):
        hop_ms: float = 10.0

    def upgrade(params: dict[str, object], _version: int) -> dict[str, object]:
        return {"hop_ms": float(params["hop_s"]) * 1000}  # type: ignore[arg-type]

    def gain(audio: AudioSet, params: P) -> AudioSet:
        return audio

    gain.__annotations__ = {"audio": AudioSet, "params": P, "return": AudioSet}
    spec = node("t.gain", version=2, category="x", upgrade=upgrade)(gain)
    assert upgrade_params(spec, {"hop_s": 0.02}, 1) == {"hop_ms": 20.0}
    assert upgrade_params(spec, {"hop_ms": 5}, 2) == {"hop_ms": 5}


def test_published_schema_is_current(checkout: Path) -> None:
    published = json.loads((checkout / "resources/schemas/workflow.schema.json").read_text())
    assert published == json.loads(json.dumps(wf.schema())), "run: make schema"


def test_published_schema_accepts_what_we_write(checkout: Path) -> None:
    import jsonschema

    jsonschema.validate(wf.to_json(chain(3)), wf.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"nodes": {"a-1": {"type": 3}}}, wf.schema())
