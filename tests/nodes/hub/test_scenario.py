"""Both scenarios in small: processes of their own, what they tell, and what becomes of their errors."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hub_home import KINDS
from release_home import deployment

from nodes.hub.broker import Kind
from nodes.hub.errors import HubError
from nodes.hub.scenario import Hearing, Stage, percentile, play_cloud, play_edge
from nodes.hub.scenario_card import figures_from, matched_of, scenario_card
from nodes.hub.store import SqliteStore
from nodes.judge.events import Event

RULE = Hearing(hop_s=0.25, threshold=0.5, smoothing=1, refractory_s=1.0)
SAID = {"label", "score", "at_s", "model"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Four seconds of noise, and a network that hears "yes" in everything."""
    made = deployment(tmp_path_factory.mktemp("made") / "d", bias=4.0)
    noise = np.random.default_rng(0).integers(-9000, 9000, 4 * 8000).astype(np.int16)
    return Stage(made, noise, 8000)


def wait(seconds: float, _heard_s: float) -> None:
    time.sleep(seconds)


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_sends_what_it_heard_and_nothing_else(kind: Kind, stage: Stage, tmp_path: Path) -> None:
    found = play_edge(stage, RULE, kind, 0.0, tmp_path, wait)
    store = SqliteStore(tmp_path / "hub.db")
    rows = store.history("device")
    store.close()
    assert [(row.kind, set(row.body)) for row in rows] == [("result", SAID)] * found.stored != []
    assert [(row.body["label"], row.body["at_s"]) for row in rows] == [(d.label, d.at_s) for d in found.detections]
    assert 0 < found.setup_bytes < found.sent_bytes < 2 * len(stage.samples), "far less than the sound"
    assert all(one.delay_ms > 0 for one in found.detections)
    assert found.device_cpu_s > 0 and found.memory_bytes > 1 << 20


def test_a_device_without_a_broker_keeps_what_it_heard(stage: Stage, tmp_path: Path) -> None:
    found = play_edge(stage, RULE, None, 0.0, tmp_path, wait)
    assert found.stored == 0 and found.detections and found.sent_bytes > 0


def test_real_time_takes_its_time(stage: Stage, tmp_path: Path) -> None:
    heard: list[float] = []

    def pause(seconds: float, heard_s: float) -> None:
        heard.append(heard_s)
        time.sleep(seconds)

    found = play_edge(stage, RULE, None, 2.0, tmp_path, pause)
    assert 0.95 * stage.seconds / 2 <= found.seconds < stage.seconds
    assert sorted(heard) == heard and 0 < heard[-1] <= stage.seconds


def test_a_stream_through_a_bad_network(stage: Stage, tmp_path: Path) -> None:
    found = play_cloud(stage, replace(RULE, hop_s=1.0), 0.05, tmp_path, wait)
    assert found.lines == 1 and len(found.answers_ms) >= 2 and found.stored == len(found.detections) >= 1
    assert "5 % of datagrams lost" in found.path and found.figures().sends_sound
    assert found.hub_cpu_s > 0 and found.device_cpu_s > 0


def test_a_broken_part_says_why(stage: Stage, tmp_path: Path) -> None:
    broken = replace(stage, deployment=tmp_path)
    for number, play in enumerate(
        (
            lambda folder: play_edge(broken, RULE, None, 0.0, folder, wait),
            lambda folder: play_cloud(broken, RULE, 0.0, folder, wait),
        )
    ):
        with pytest.raises(HubError) as caught:
            play(tmp_path / str(number))
        assert caught.value.what and caught.value.remedy


def test_the_card_counts(stage: Stage, tmp_path: Path) -> None:
    found = play_edge(stage, RULE, None, 0.0, tmp_path, wait)
    at_s = found.detections[0].at_s
    events = (Event(at_s - 0.3, at_s - 0.1, "yes"), Event(0.0, 0.1, "no"))
    card = scenario_card(found, matched_of(found, events, 0.5), ("yes", "no"))
    assert (card["detections"]["found"], card["detections"]["missed"]) == (1, 1)
    assert card["delays"][0]["median_ms"] == pytest.approx(100.0 + found.detections[0].delay_ms)
    measured, delay_ms = figures_from(card), 100.0 + found.detections[0].delay_ms
    assert measured.delay_ms == pytest.approx(delay_ms)
    assert replace(measured, delay_ms=delay_ms) == found.figures([delay_ms])
    with pytest.raises(HubError, match="none of a scenario"):
        figures_from({"kind": "scenario", "measured": {"speed": 1}})


def test_percentiles_of_nothing() -> None:
    assert percentile([], 95.0) is None
    assert percentile([1.0, 3.0], 50.0) == 2.0
