"""Labels of long recordings and what detections belong to them: by hand, against any assignment, bad files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from nodes.judge.errors import JudgeError
from nodes.judge.events import Event, Heard, match, read_events, to_csv

GOOD = "start,end,label\n1.0,1.5,yes\n4,4.5,no\n"


def test_a_file_is_read_in_order_of_time() -> None:
    text = "label, Start_s ,end_s,remark\nno,4,4.5,x\nyes,1.0,1.5,\n"
    assert read_events(text, "l.csv", 10.0) == [Event(1.0, 1.5, "yes", 3), Event(4.0, 4.5, "no", 2)]
    assert read_events("\ufeff" + GOOD, "l.csv", 10.0)[0].label == "yes"


def test_a_header_alone_is_a_recording_without_events() -> None:
    assert read_events("start,end,label\n", "l.csv", 10.0) == []


def test_what_is_written_is_read_again() -> None:
    events = [Event(0.25, 1.0, "yes", 2), Event(2.5, 3.125, "no", 3)]
    assert read_events(to_csv(events), "l.csv", 10.0) == events


def test_events_of_two_classes_may_overlap() -> None:
    assert len(read_events("start,end,label\n1,3,dog\n2,4,rain\n3,4,dog\n", "l.csv", 10.0)) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "l.csv is empty"),
        ("1.0,1.5,yes\n", "has the columns 1.0, 1.5, yes"),
        ("start,end\n1,2\n", "has the columns start, end"),
        ("start,end,label\n1,two,yes\n", "line 2: end is 'two'"),
        ("start,end,label\n1,nan,yes\n", "line 2: end is 'nan'"),
        ("start,end,label\n1\n", "line 2: end is None"),
        ("start,end,label\n1,2,\n", "line 2 has no label"),
        ("start,end,label\n2,1,yes\n", "'yes' lasts from 2 s to 1 s"),
        ("start,end,label\n-1,1,yes\n", "from -1 s"),
        ("start,end,label\n9,11,yes\n", "to 11 s"),
        ("start,end,label\n1,3,yes\n5,6,no\n2,4,yes\n", "lines 2 and 4: two 'yes' overlap"),
    ],
)
def test_bad_files_are_refused_by_line(text: str, words: str) -> None:
    with pytest.raises(JudgeError) as caught:
        read_events(text, "l.csv", 10.0)
    assert words in caught.value.what and caught.value.expected and caught.value.remedy


def test_every_detection_finds_its_place() -> None:
    events = [Event(1, 2, "yes"), Event(3, 4, "no"), Event(6, 7, "yes")]
    heard = [
        Heard(1.5, "yes", 0.9),
        Heard(2.4, "yes", 0.9),
        Heard(3.9, "yes", 0.9),
        Heard(9.0, "no", 0.9),
        Heard(6.0, "yes", 0.8),
    ]
    found = match(heard, events, tolerance_s=0.5)
    assert [(event.start_s, one.time_s) for event, one in found.found] == [(1, 1.5), (6, 6.0)]
    assert [event.label for event in found.missed] == ["no"]
    assert [one.time_s for one in found.repeats] == [2.4]
    assert [one.time_s for one in found.false_alarms] == [3.9, 9.0]


def test_two_events_close_together_are_both_found() -> None:
    events = [Event(1, 2, "yes"), Event(2.2, 3, "yes")]
    found = match([Heard(2.3, "yes", 0.9), Heard(2.9, "yes", 0.9)], events, tolerance_s=0.5)
    assert len(found.found) == 2 and not found.repeats


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3)), max_size=6),
    st.lists(st.integers(0, 40), max_size=8),
    st.integers(0, 4),
)
def test_no_assignment_finds_more(starts: list[tuple[int, int]], times: list[int], tolerance: int) -> None:
    events: list[Event] = []
    for start, length in sorted(starts):
        if not events or start >= events[-1].end_s:
            events.append(Event(start, start + length, "a"))
    heard = [Heard(time, "a", 0.9) for time in times]
    found = match(heard, events, tolerance)
    assert len(found.found) + len(found.missed) == len(events)
    assert len(found.found) + len(found.repeats) + len(found.false_alarms) == len(heard)
    fits = np.array([[e.start_s <= h.time_s <= e.end_s + tolerance for e in events] for h in heard], float)
    if fits.size:
        rows, columns = linear_sum_assignment(-fits)
        assert len(found.found) == fits[rows, columns].sum()
