"""One node: its events, its errors in three parts, its process, and what it may not do."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.event import Event
from engine.execute import execute
from engine.isolate import execute_apart
from engine.job import Job, Outcome
from engine.key import recipe_of
from engine.registry import Registry
from engine.store import Store, open_store


class Bench:
    """Makes and executes jobs in one folder."""

    def __init__(self, base: Path, registry: Registry) -> None:
        self.base, self.registry, self.events = base, registry, list[Event]()

    @property
    def store(self) -> Store:
        return open_store(self.base / "store")

    def job(self, type: str, inputs: dict[str, tuple[str, ...]] | None = None, **params: Any) -> Job:
        spec = self.registry.specs[type]
        recipe = recipe_of(spec, spec.params(**params), inputs or {}, self.base)
        return Job("node-1", recipe, "run", str(self.store.root), str(self.base))

    def execute(self, job: Job, is_cancelled: Callable[[], bool] = lambda: False, **options: Any) -> Outcome:
        self.events = []
        return execute(job, self.events.append, is_cancelled, self.registry, **options)

    def constant(self, value: float = 1.5) -> tuple[str, ...]:
        return (self.execute(self.job("fake.constant", value=value)).outputs["number"],)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@pytest.fixture
def bench(tmp_path: Path, fakes: Registry) -> Bench:
    return Bench(tmp_path, fakes)


def cancel_once_asleep(base: Path) -> Callable[[], bool]:
    return lambda: (base / "node-1.sleeping").exists()


def test_a_node_is_computed_once_and_then_found(bench: Bench) -> None:
    job = bench.job("fake.constant", value=3)
    first = bench.execute(job)
    assert (first.state, bench.kinds) == ("done", ["started", "finished"])
    assert bench.store.open(first.outputs["number"]).json("number.json") == {"value": 3.0}
    second = bench.execute(job)
    assert (second.state, second.outputs, bench.kinds) == ("cached", first.outputs, ["cached"])
    third = bench.execute(replace(job, force=True))
    assert (third.state, third.outputs) == ("done", first.outputs)


def test_inputs_arrive_single_many_and_not_at_all(bench: Bench) -> None:
    one, two = bench.constant(1.0), bench.constant(2.0)
    total = bench.execute(bench.job("fake.add", {"numbers": one + two}))
    assert bench.store.open(total.outputs["number"]).json("number.json") == {"value": 3.0}
    assert [event.values for event in bench.events if event.kind == "metric"] == [{"step": 1.0, "count": 2.0}]
    nothing = bench.execute(bench.job("fake.add"))
    assert bench.store.open(nothing.outputs["number"]).json("number.json") == {"value": 0.0}
    assert bench.execute(bench.job("fake.fail", how="told")).state == "failed"


def test_several_outputs_are_stored_by_name(bench: Bench) -> None:
    outcome = bench.execute(bench.job("fake.split", {"number": bench.constant(2.25)}))
    values = {port: bench.store.open(key).json("number.json")["value"] for port, key in outcome.outputs.items()}
    assert values == {"whole": 2.0, "fraction": 0.25}


def test_nothing_is_left_behind(bench: Bench) -> None:
    bench.constant()
    bench.execute(bench.job("fake.fail", how="boom"))
    for name in ("tmp", "locks"):
        assert list((bench.store.root / name).iterdir()) == []


@pytest.mark.parametrize(
    ("how", "what", "remedy"),
    [
        ("told", "the value is 3", "Lower it"),
        ("wrong type", "fake.fail returned Text", "Correct the node's function"),
        ("no file", "fake.fail returned no number.json", "Correct the node's function"),
        ("elsewhere", "lies outside the store", "write into ctx.folder()"),
        ("link", "holds link, a link or special file", "hard-link it with ctx.link()"),
    ],
)
def test_foreseen_errors_keep_their_three_parts(bench: Bench, how: str, what: str, remedy: str) -> None:
    outcome = bench.execute(bench.job("fake.fail", how=how))
    assert outcome.error is not None and outcome.state == "failed"
    assert what in outcome.error.what
    assert remedy in outcome.error.remedy
    assert not outcome.error.is_unexpected
    assert bench.kinds == ["started", "failed"]
    assert bench.events[-1].values["what"] == outcome.error.what


def test_unforeseen_errors_keep_their_traceback(bench: Bench) -> None:
    outcome = bench.execute(bench.job("fake.fail", how="boom"))
    assert outcome.error is not None and outcome.error.what == "ZeroDivisionError: division of 1 by 0"
    assert "ossicle_fakes.py" in outcome.error.traceback


def test_an_unknown_type_names_the_plugin_that_failed_to_load(bench: Bench) -> None:
    job = bench.job("fake.constant")
    outcome = execute(job, bench.events.append, lambda: False, Registry({}))
    assert outcome.error is not None and "fake.constant is not installed here" in outcome.error.what


def test_cancelling_stops_at_the_next_progress_call(bench: Bench) -> None:
    job = bench.job("fake.sleep", {"number": bench.constant()}, seconds=60)
    outcome = bench.execute(job, cancel_once_asleep(bench.base))
    assert outcome.state == "cancelled"
    assert bench.kinds[0] == "started" and bench.kinds[-1] == "cancelled"
    assert bench.store.result(job.cache_key) is None


def test_cancelled_before_it_began(bench: Bench) -> None:
    assert bench.execute(bench.job("fake.constant"), lambda: True).state == "cancelled"
    assert bench.kinds == ["cancelled"]


def test_two_at_once_compute_once(bench: Bench) -> None:
    job = bench.job("fake.sleep", {"number": bench.constant()}, seconds=0.3)
    (bench.base / "executed.txt").unlink()
    outcomes, events = [], list[Event]()
    threads = [
        threading.Thread(target=lambda: outcomes.append(execute(job, events.append, lambda: False, bench.registry)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.state for outcome in outcomes) == ["cached", "cached", "done"]
    assert (bench.base / "executed.txt").read_text() == "node-1\n"
    waits = [event for event in events if "waiting for its result" in str(event.values.get("text"))]
    assert len(waits) == 2


def test_waiting_for_another_can_be_cancelled(bench: Bench) -> None:
    job = bench.job("fake.constant")
    with bench.store.lock(job.cache_key, lambda: None, lambda: None):
        start_s = time.monotonic()
        outcome = bench.execute(job, lambda: time.monotonic() > start_s + 0.05)
    assert (outcome.state, bench.kinds) == ("cancelled", ["log", "cancelled"])


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(raw))


def test_a_damaged_input_stops_the_node_and_is_evicted(bench: Bench) -> None:
    inputs = bench.constant()
    flip(bench.store.path(inputs[0]) / "number.json")
    outcome = bench.execute(bench.job("fake.negate", {"number": inputs}))
    assert (outcome.state, dict(outcome.damaged)) == (
        "damaged",
        {inputs[0]: "number.json differs from its digest"},
    )
    assert bench.kinds == []
    assert bench.store.content_keys() == []


def test_a_node_that_changes_its_input_fails(bench: Bench) -> None:
    inputs = bench.constant()
    outcome = bench.execute(bench.job("fake.spoil", {"number": inputs}))
    assert outcome.error is not None and "changed its input" in outcome.error.what
    assert inputs[0] not in bench.store.content_keys()


def test_a_result_that_differs_from_last_time_is_told(bench: Bench) -> None:
    job = bench.job("fake.dice")
    bench.execute(job)
    assert "log" not in bench.kinds
    bench.execute(replace(job, force=True))
    assert bench.kinds == ["started", "log", "finished"]
    assert "differs from the last time" in str(bench.events[1].values["text"])


# ---- a process of its own


def test_events_and_result_of_an_own_process_are_the_same(bench: Bench) -> None:
    outcome = bench.execute(bench.job("fake.sleep_apart", {"number": bench.constant()}, seconds=0.02))
    assert outcome.state == "done", outcome.error
    assert bench.kinds[0] == "started" and bench.kinds[-1] == "finished" and "progress" in bench.kinds
    assert bench.store.open(outcome.outputs["number"]).json("number.json") == {"value": 1.5}
    again = bench.execute(bench.job("fake.sleep_apart", {"number": bench.constant()}, seconds=0.02))
    assert again.state == "cached"


def test_a_crashed_process_costs_its_node_only(bench: Bench) -> None:
    outcome = bench.execute(bench.job("fake.crash", {"number": bench.constant()}))
    assert outcome.error is not None and "ended by SIGKILL" in outcome.error.what
    assert bench.kinds == ["started", "failed"]


@pytest.mark.parametrize("hears", [True, False], ids=["hears", "deaf"])
def test_a_process_can_always_be_stopped(bench: Bench, hears: bool) -> None:
    job = bench.job("fake.sleep_apart", {"number": bench.constant()}, seconds=60, hears=hears)
    events: list[Event] = []
    outcome = execute_apart(job, events.append, cancel_once_asleep(bench.base), grace_s=0.3)
    assert outcome.state == "cancelled"
    assert events[-1].kind == "cancelled"
    assert bench.store.result(job.cache_key) is None


def test_jobs_and_outcomes_survive_json(bench: Bench) -> None:
    job = bench.job("fake.add", {"numbers": ("a", "b")}, offset=2)
    assert Job.from_json(job.to_json()) == job
    outcome = bench.execute(bench.job("fake.fail", how="boom"))
    assert Outcome.from_json(outcome.to_json()) == outcome
