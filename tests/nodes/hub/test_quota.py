"""Quota and retention: a flooding device holds nobody up, and what is old is forgotten."""

from datetime import timedelta
from pathlib import Path

from hub_home import home, until

from nodes.hub.event import Event, Key
from nodes.hub.outbox import Said
from nodes.hub.quota import Quota
from nodes.hub.receiver import Receiver
from nodes.hub.retention import Retention
from nodes.hub.store import SqliteStore, now


def test_a_bucket_fills_again() -> None:
    time = [0.0]
    quota = Quota(per_s=10.0, burst=20.0, clock=lambda: time[0])
    assert [quota.admits("a", 10) for _ in range(3)] == [True, True, False]
    assert quota.admits("b", 20)
    time[0] = 1.0
    assert [quota.admits("a", 10), quota.admits("a", 1)] == [True, False]
    assert quota.turned_away == {"a": 11}


def test_a_flooding_device_is_slowed_and_the_others_are_heard(tmp_path: Path) -> None:
    with home("mosquitto", tmp_path) as house:
        receiver = Receiver(
            house.store, house.broker.address, house.access("hub"), quota=Quota(per_s=400.0, burst=200.0)
        )
        receiver.start()
        house.running.append(receiver)
        loud, soft = house.sender("kitchen"), house.sender("hall")
        for _ in range(20):
            loud.put([Said("result", {"label": "yes"})] * 50)
        soft.put([Said("result", {"label": "no"})])
        assert soft.drain(5.0), soft.condition()
        assert receiver.quota.turned_away["kitchen"] > 0
        assert loud.drain(60.0), loud.condition()
        assert house.store.counts() == {"kitchen": 1000, "hall": 1}


def test_old_events_are_forgotten(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "hub.db")
    events = [Event("kitchen", Key("a" * 16, seq), "result", now(), {}) for seq in (1, 2)]
    store.commit(events[:1], now() - timedelta(days=3))
    store.commit(events[1:], now())
    kept = Retention(store, keep_days=1.0)
    kept.start()
    assert until(lambda: kept.forgotten == 1)
    kept.stop()
    assert [row.seq for row in store.history("kitchen")] == [2]
    store.close()


def test_a_store_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "hub.db")
    kept = Retention(store, keep_days=1.0, every_s=0.05)
    store.close()
    kept.start()
    assert until(lambda: "cannot be used" in kept.problem)
    kept.stop()
