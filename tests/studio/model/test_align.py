"""Aligning, distributing, walking, ranking: pure functions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import OssicleError
from engine.workflow import Link, Node, Workflow
from studio.model import walk
from studio.model.align import LEAST, align, snap
from studio.model.boxes import Box, around
from studio.model.places import ALIGNMENTS
from studio.model.rank import Entry, ranked

PARTS = {"a": Box(0, 0, 100, 50), "b": Box(300, 40, 200, 90), "c": Box(120, 400, 50, 30)}
SIZES = st.integers(10, 300)
BOXES = st.builds(Box, st.integers(-500, 500), st.integers(-500, 500), SIZES, SIZES)
MANY = st.dictionaries(st.sampled_from("abcdefgh"), BOXES, min_size=3)


def moved(how: str, parts: dict[str, Box]) -> dict[str, Box]:
    return {name: parts[name]._replace(x=x, y=y) for name, (x, y) in align(how, parts).items()}


def test_each_alignment_by_hand() -> None:
    assert align("left", PARTS) == {"a": (0, 0), "b": (0, 40), "c": (0, 400)}
    assert align("right", PARTS) == {"a": (400, 0), "b": (300, 40), "c": (450, 400)}
    assert align("top", PARTS) == {"a": (0, 0), "b": (300, 0), "c": (120, 0)}
    assert align("bottom", PARTS) == {"a": (0, 380), "b": (300, 340), "c": (120, 400)}
    assert align("row", PARTS) == {"a": (0, 195), "b": (300, 175), "c": (120, 205)}
    assert align("column", PARTS) == {"a": (175, 0), "b": (125, 40), "c": (200, 400)}
    assert align("spread-x", PARTS) == {"a": (0, 0), "c": (175, 400), "b": (300, 40)}
    assert align("spread-y", PARTS)["b"] == (300, 180)


@pytest.mark.parametrize("how", [how for how in ALIGNMENTS if how not in LEAST])
@given(parts=MANY)
def test_aligning_twice_is_aligning_once(how: str, parts: dict[str, Box]) -> None:
    once = moved(how, parts)
    assert once.keys() == parts.keys()
    again = moved(how, once)
    for name in parts:
        assert tuple(again[name]) == pytest.approx(tuple(once[name]))


@given(parts=MANY)
def test_spreading_makes_equal_gaps_and_keeps_the_order(parts: dict[str, Box]) -> None:
    names = sorted(parts, key=lambda name: (parts[name].middle[0], name))
    after = moved("spread-x", parts)
    gaps = [after[b].x - after[a].right for a, b in zip(names, names[1:], strict=False)]
    assert gaps == pytest.approx([gaps[0]] * len(gaps))
    assert (after[names[0]].x, after[names[-1]].x) == pytest.approx((parts[names[0]].x, parts[names[-1]].x))


@pytest.mark.parametrize("how", ALIGNMENTS)
def test_too_few_boxes_are_refused(how: str) -> None:
    with pytest.raises(OssicleError) as error:
        align(how, {"a": PARTS["a"]})
    assert error.value.what == "1 node selected"
    assert error.value.expected == f"at least {LEAST.get(how, 2)}"


def test_an_unknown_alignment_is_refused() -> None:
    with pytest.raises(OssicleError, match="diagonal"):
        align("diagonal", PARTS)


def test_snap_and_around() -> None:
    assert snap((12, -34)) == (22, -44) and snap((10.9, 11.1)) == (0, 22)
    assert around([]) is None
    assert around(PARTS.values()) == Box(0, 0, 500, 430)


# ---- walking

GRAPH = Workflow(
    nodes={name: Node(type="x") for name in "abcd"},
    links=(Link("a", "o", "b", "i"), Link("a", "o", "c", "i"), Link("b", "o", "d", "i"), Link("gone", "o", "d", "j")),
)
SPOTS = {"a": Box(0, 0, 10, 10), "b": Box(100, 0, 10, 10), "c": Box(100, 100, 10, 10), "d": Box(200, 0, 10, 10)}


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), BOXES, min_size=2), st.sampled_from(list(walk.STEPS)))
def test_a_step_leads_beyond_the_start(parts: dict[str, Box], direction: walk.Direction) -> None:
    start = min(parts)
    found = walk.nearest(parts, start, direction)
    if found:
        (x, y), (a, b), (sx, sy) = parts[start].middle, parts[found].middle, walk.STEPS[direction]
        assert found != start and (a - x) * sx + (b - y) * sy > 0


def test_the_wires_lead_on() -> None:
    assert walk.along(GRAPH, SPOTS, "a", "right") == "b"
    assert walk.along(GRAPH, SPOTS, "b", "down") == "c" and walk.along(GRAPH, SPOTS, "c", "up") == "b"
    assert walk.along(GRAPH, SPOTS, "d", "right") == "" and walk.along(GRAPH, SPOTS, "d", "left") == "b"
    assert walk.reach(GRAPH, ["b"], after=True) == {"b", "d"} and walk.reach(GRAPH, ["d"], after=False) == {
        "a",
        "b",
        "d",
    }
    assert walk.reach(GRAPH, ["gone"], after=True) == set()
    assert walk.ends(SPOTS, last=True) == "d" and walk.ends({}, last=False) == ""


def test_reach_ends_in_a_circle() -> None:
    ring = GRAPH.model_copy(update={"links": (*GRAPH.links, Link("d", "o", "a", "i"))})
    assert walk.reach(ring, ["a"], after=True) == set("abcd")


# ---- ranking


def order(query: str, *titles: str) -> list[str]:
    return [match.item for match in ranked(query, [Entry(title, title) for title in titles])]


def test_prefix_before_word_start_before_part_before_letters() -> None:
    assert order("me", "Some", "Log-mel", "Mel", "MxxE", "Other") == ["Mel", "Log-mel", "Some", "MxxE"]


def test_every_word_must_be_found_and_marks_tell_where() -> None:
    assert order("log me", "Log-mel", "Logarithm") == ["Log-mel"]
    match = ranked("lm", [Entry("x", "Log-mel")])[0]
    assert match.marks == (0, 4)


def test_aliases_then_descriptions_and_favour_breaks_ties() -> None:
    entries = [Entry(1, "Alpha", about="counts the words"), Entry(2, "Beta", aliases=("words",)), Entry(3, "Words")]
    assert [match.item for match in ranked("wor", entries)] == [3, 2, 1]
    assert [match.item for match in ranked("", entries, {2: 1.0})] == [2, 1, 3]
    assert ranked("zz", entries) == [] and ranked("w", []) == []


@given(st.text(max_size=12), st.lists(st.text(max_size=12), max_size=5))
def test_any_text_ranks_without_error(query: str, titles: list[str]) -> None:
    found = ranked(query, [Entry(k, title) for k, title in enumerate(titles)])
    assert len(found) <= len(titles)
    for match in found:
        assert all(mark < max(1, len(titles[match.item].casefold())) for mark in match.marks)
