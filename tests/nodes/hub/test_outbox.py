"""The outbox: kept through crashes, damage and a full disk; bounded, and honest about what it dropped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nodes.hub.errors import HubError
from nodes.hub.event import Ack, Key, Refusal
from nodes.hub.outbox import Bounds, Outbox, Said


def results(count: int, kind: str = "result") -> list[Said]:
    return [Said(kind, {"label": f"word{index}"}) for index in range(count)]


def numbers(outbox: Outbox) -> list[int]:
    return [entry.key.seq for entry in outbox.waiting(10_000)]


def test_events_stay_until_the_hub_has_them(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        epoch = outbox.epoch
        assert [key.seq for key in outbox.put(results(10))] == list(range(1, 11))
        assert outbox.settle([Ack(epoch, ((1, 3), (7, 7)), (Refusal(Key(epoch, 5), "no kind"),))]) == 5
    with Outbox(tmp_path / "outbox.db") as outbox:
        assert outbox.epoch == epoch
        assert numbers(outbox) == [4, 6, 8, 9, 10]
        assert [(entry.key.seq, reason) for entry, reason in outbox.dead()] == [(5, "no kind")]
        assert outbox.put(results(1))[0].seq == 11
        assert [entry.key.seq for entry in outbox.waiting(2, Key(epoch, 6))] == [8, 9]


def test_a_number_is_never_used_again(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        outbox.put(results(3))
        outbox.settle([Ack(outbox.epoch, ((1, 3),))])
    with Outbox(tmp_path / "outbox.db") as outbox:
        assert outbox.put(results(1))[0].seq == 4


def test_an_answer_for_another_epoch_deletes_nothing(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        outbox.put(results(3))
        assert outbox.settle([Ack("f" * 16, ((1, 3),), (Refusal(Key("f" * 16, 2), "x"),))]) == 0
        assert numbers(outbox) == [1, 2, 3]


def test_a_full_outbox_thins_telemetry_then_refuses_and_tells_the_loss(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db", Bounds(rows=20)) as outbox:
        outbox.put(results(15, "telemetry"))
        outbox.put(results(10))
        kinds = [json.loads(entry.text)["kind"] for entry in outbox.waiting(100)]
        assert kinds.count("result") == 10
        assert len(kinds) <= 20
        with pytest.raises(HubError, match="is full"):
            outbox.put(results(30))
        assert outbox.level().lost == 30 + 25 - len(kinds)
        outbox.settle([Ack(outbox.epoch, ((1, 25),))])
        told = [json.loads(entry.text) for entry in outbox.waiting(100)]
        assert [row["dropped"] for row in told] == [{"result": 30, "telemetry": 25 - len(kinds)}]
        assert outbox.level().lost == 0


def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db", Bounds(bytes=2000)) as outbox, pytest.raises(HubError, match="bytes"):
        for _ in range(10):
            outbox.put([Said("result", {"note": "x" * 500})])


def test_one_process_has_it(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db"), pytest.raises(HubError, match="another process"):
        Outbox(tmp_path / "outbox.db")


def test_a_lost_file_begins_another_epoch(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        first = outbox.epoch
    (tmp_path / "outbox.db").unlink()
    with Outbox(tmp_path / "outbox.db") as outbox:
        assert outbox.epoch != first


@pytest.mark.parametrize("damage", ["garbage", "middle", "empty"])
def test_a_damaged_file_is_set_aside_and_what_can_be_read_is_kept(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "outbox.db"
    with Outbox(path) as outbox:
        epoch = outbox.epoch
        outbox.put(results(2000))
    data = bytearray(path.read_bytes())
    if damage == "middle":
        data[len(data) // 2 : len(data) // 2 + 5000] = os.urandom(5000)
    path.write_bytes({"garbage": b"no database at all" * 500, "middle": bytes(data), "empty": b""}[damage])
    with Outbox(path) as outbox:
        assert outbox.epoch != epoch
        kept = [entry.key for entry in outbox.waiting(10_000)]
        assert {key.epoch for key in kept} <= {epoch}
        assert (len(kept) > 100) == (damage == "middle")
        assert outbox.put(results(1))[0].epoch == outbox.epoch
    assert len(list(tmp_path.glob("outbox.db.damaged-*"))) == (damage != "empty")


WRITER = """
import sys
from pathlib import Path
from nodes.hub.outbox import Outbox, Said
outbox = Outbox(Path(sys.argv[1]))
while True:
    keys = outbox.put([Said("result", {"label": "x" * 100})] * 7)
    print(keys[-1].seq, flush=True)
"""


def test_what_was_kept_survives_a_kill(tmp_path: Path) -> None:
    told = 0
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "outbox.db")], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.05)
        os.kill(child.pid, signal.SIGKILL)
        lines = child.stdout.read().splitlines()
        told = max([told, *(int(line) for line in lines if line.isdigit())])
        child.wait()
    with Outbox(tmp_path / "outbox.db") as outbox:
        kept = numbers(outbox)
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) >= told > 0
    assert len(kept) % 7 == 0


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from nodes.hub.errors import HubError
from nodes.hub.outbox import Outbox, Said
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
outbox = Outbox(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
kept = 0
try:
    while True:
        kept = outbox.put([Said("result", {"label": "x" * 1000})])[-1].seq
except HubError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(kept, outbox.put([Said("result", {"label": "again"})])[0].seq, len(outbox.waiting(10_000)))
"""


def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "outbox.db")], capture_output=True, text=True, check=True
    )
    message, figures = done.stdout.strip().splitlines()
    kept, following, rows = map(int, figures.split())
    assert "cannot be used" in message
    assert (following, rows) == (kept + 1, kept + 1)
