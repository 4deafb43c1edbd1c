"""What is in flight: fresh once, again when overdue, alone when it holds others up, given up when hopeless."""

from nodes.hub.event import LARGEST_BATCH_BYTES, Ack, Entry, Key
from nodes.hub.window import Pace, Window, batches

EPOCH = "0123456789abcdef"


def entries(*numbers: int, epoch: str = EPOCH, size: int = 2) -> list[Entry]:
    return [Entry(Key(epoch, number), "{}" + " " * (size - 2)) for number in numbers]


def sent(found: object) -> list[list[int]]:
    return [[entry.key.seq for entry in batch] for batch in found]  # type: ignore[attr-defined]


def test_batches_are_cut_by_count_size_and_epoch() -> None:
    mixed = entries(1, 2, 3) + entries(1, epoch="f" * 16)
    assert sent(batches(mixed, 2)) == [[1, 2], [3], [1]]
    large = entries(1, 2, 3, size=LARGEST_BATCH_BYTES // 2 - 300)
    assert sent(batches(large, 50)) == [[1, 2], [3]]


def test_an_answer_makes_room() -> None:
    window = Window(Pace(rows=4))
    assert sent(window.take(entries(1, 2, 3, 4), 0.0)) == [[1, 2, 3, 4]]
    assert (window.room, window.last) == (0, Key(EPOCH, 4))
    window.acknowledge([Ack(EPOCH, ((1, 3),))])
    assert (window.room, len(window)) == (3, 1)


def test_what_is_overdue_is_sent_again_later_and_later() -> None:
    window = Window(Pace(resend_s=2.0, slowest_s=8.0))
    list(window.take(entries(1), 0.0))
    times = [now for now in range(1, 40) if sent(window.again(float(now)))]
    assert times == [2, 6, 14, 22, 30, 38]
    window.acknowledge([Ack(EPOCH, ((9, 9),))])
    assert sent(window.again(40.0)) == [[1]]


def test_a_new_hub_gets_everything_at_once() -> None:
    window = Window()
    list(window.take(entries(1, 2), 0.0))
    assert sent(window.again(0.1)) == []
    window.hurry()
    assert sent(window.again(0.2)) == [[1, 2]]


def test_one_bad_event_travels_alone_and_is_given_up() -> None:
    window = Window(Pace(resend_s=1.0, slowest_s=1.0, batch=2, alone_after=2, give_up_after=4))
    list(window.take(entries(1, 2), 0.0))
    rounds = []
    for now in range(1, 8):
        list(window.take(entries(10 + now), float(now)))
        window.acknowledge([Ack(EPOCH, ((10 + now, 10 + now),))])
        rounds.append(sent(window.again(float(now))))
        if window.hopeless():
            break
    assert rounds[:3] == [[[1, 2]], [[1], [2]], [[1], [2]]]
    assert [refusal.key.seq for refusal in window.hopeless()] == [1, 2]
    assert len(rounds) == 4


def test_a_slow_answer_is_no_reason_to_give_up() -> None:
    window = Window(Pace(resend_s=1.0, slowest_s=1.0, rows=1000, alone_after=2, give_up_after=3))
    list(window.take(entries(*range(1, 11)), 0.0))
    for now in range(1, 50):  # every answer takes five rounds; what is answered was sent before
        list(window.again(float(now)))
        if now % 5 == 0:
            window.acknowledge([Ack(EPOCH, ((now // 5, now // 5),))])
        assert window.hopeless() == ()


def test_an_absent_hub_gives_up_nothing() -> None:
    window = Window(Pace(resend_s=1.0, slowest_s=1.0))
    list(window.take(entries(1, 2), 0.0))
    for now in range(1, 100):
        list(window.again(float(now)))
    assert window.hopeless() == ()
