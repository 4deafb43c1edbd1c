"""Slots: whatever is killed when, a whole and healthy model can be run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nodes.hub.errors import HubError
from nodes.hub.release.slots import TRIALS, Pointer, Slots

STEPS = (
    "empty the slot", "write the pointer", "fill the slot", "sync the slot", "check the slot", "point to the slot",
    "done",
)  # fmt: skip


def fill(text: str) -> object:
    def write(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "model").write_text(text)

    return write


def install(slots: Slots, name: str) -> None:
    slots.install(name, fill(name), lambda _folder: None)  # type: ignore[arg-type]


def ill(_folder: Path) -> None:
    raise HubError("it is ill", "health", "none")


def test_a_model_goes_into_the_other_slot(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    with pytest.raises(HubError, match="no model yet"):
        slots.start()
    install(slots, "one")
    assert (slots.start() / "model").read_text() == "one"
    slots.confirm()
    install(slots, "two")
    assert (slots.start() / "model").read_text() == "two"
    assert slots.pointer().models == ("one", "two")


def test_an_ill_model_never_counts(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    install(slots, "one")
    slots.confirm()
    with pytest.raises(HubError, match="it is ill"):
        slots.install("two", fill("two"), ill)  # type: ignore[arg-type]
    assert (slots.start() / "model").read_text() == "one"
    assert slots.pointer().rejected == ("two",)


def test_a_model_that_never_proves_itself_is_left(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    install(slots, "one")
    slots.confirm()
    install(slots, "two")
    started = [(slots.start() / "model").read_text() for _ in range(TRIALS + 2)]
    assert started == ["two"] * TRIALS + ["one"] * 2
    assert slots.pointer().rejected == ("two",)


def test_a_model_that_proves_itself_stays(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    install(slots, "one")
    slots.start()
    slots.confirm()
    assert [(slots.start() / "model").read_text() for _ in range(TRIALS + 2)] == ["one"] * (TRIALS + 2)


def test_a_rejected_model_makes_place_for_the_one_before(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    install(slots, "one")
    with pytest.raises(HubError, match="none before it"):
        slots.reject()
    install(slots, "two")
    assert slots.reject() == "one"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"active": "c", "models": ["", ""], "rejected": []}'])
def test_a_damaged_pointer_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "pointer.json").write_text(text)
    with pytest.raises(HubError, match="cannot be read"):
        Slots(tmp_path).start()


KILLED = """
import os, sys
from pathlib import Path
from nodes.hub.release.slots import Slots
folder, step, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
seen = []
def kill(name):
    seen.append(name)
    if seen.count(step) == times:
        os.kill(os.getpid(), 9)
def fill(path):
    path.mkdir(parents=True)
    (path / "half").write_text("two")
    kill("within the slot")
    (path / "model").write_text("two")
Slots(folder, kill).install("two", fill, lambda path: (path / "model").read_text())
"""


@pytest.mark.parametrize("step", [*STEPS, "within the slot"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_kill_at_any_step_leaves_a_whole_model(tmp_path: Path, step: str, times: int) -> None:
    slots = Slots(tmp_path)
    install(slots, "one")
    slots.confirm()
    command = [sys.executable, "-c", KILLED, str(tmp_path), step, str(times)]
    killed = subprocess.run(command, check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}).returncode == -9
    assert killed == (times == 1 or step == "write the pointer")
    assert (slots.start() / "model").read_text() == ("two" if step == "done" or not killed else "one")
    install(slots, "three")
    assert (slots.start() / "model").read_text() == "three"
    assert Pointer(**vars(slots.pointer())) == slots.pointer()
