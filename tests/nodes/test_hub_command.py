"""`ossicle hub`, as a user meets it: started, a device let in, its result seen in a real browser."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from browser import tab

from nodes.hub.access import Access
from nodes.hub.endpoint import Broker
from nodes.hub.outbox import Outbox, Said
from nodes.hub.sender import Sender
from nodes.hub.ticket import read_ticket


@dataclass
class Served:
    """A hub in a process of its own."""

    folder: Path
    process: subprocess.Popen[str]
    page: str
    api: str

    def ask(self, path: str) -> httpx.Response:
        """Ask the API."""
        return httpx.get(self.api + path, headers={"Authorization": f"Bearer {self.page.partition('=')[2]}"})


def ossicle(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "engine.cli", *words], capture_output=True, text=True, check=False)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "hub"
    (tmp_path / "graphs").mkdir()
    command = ["hub", "serve", "--folder", str(folder), "--workflows", str(tmp_path / "graphs")]
    process = subprocess.Popen([sys.executable, "-m", "engine.cli", *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    found = Served(folder, process, told["page"], told["api"])
    yield found
    found.process.send_signal(signal.SIGTERM)
    assert found.process.wait(20) in (0, -signal.SIGTERM)


def sender(ticket_file: Path, folder: Path) -> Sender:
    ticket = read_ticket(ticket_file)
    (folder / "ca.crt").write_text(ticket.ca)
    access = Access(ticket.device, ticket.password, folder / "ca.crt", client_id=ticket.device)
    made = Sender(Outbox(folder / "outbox.db"), Broker(ticket.host, ticket.port, True), access, ticket.device)
    made.start()
    return made


def test_from_enrolment_to_the_page(served: Served, tmp_path: Path) -> None:
    ticket = tmp_path / "kitchen.ticket"
    done = ossicle("hub", "enrol", "kitchen", "-o", str(ticket), "--folder", str(served.folder))
    assert done.returncode == 0, done.stderr
    assert read_ticket(ticket).password not in done.stdout + done.stderr
    made = sender(ticket, tmp_path)
    made.put([Said("result", {"label": "<b>yes</b>", "score": 0.97})])
    assert made.drain(20.0), made.condition()
    with tab(tmp_path) as page:
        page.open(served.page)
        page.until("document.querySelectorAll('#events tr').length === 1")
        assert page.value("document.querySelector('#events td:nth-child(3)').textContent") == "<b>yes</b>"
        page.until("document.getElementById('state').textContent.includes('live')")
        made.put([Said("result", {"label": "no", "score": 0.5})])
        page.until("document.querySelectorAll('#events tr').length === 2")
        assert page.value("document.querySelector('#events td:nth-child(3)').textContent") == "no"
        assert page.until("document.getElementById('here').textContent === '1 of 1'")
        assert "token" not in page.value("location.href")
        assert page.problems == []
    made.stop()
    shown = ossicle("hub", "results", "--folder", str(served.folder), "--json")
    assert [row["body"]["label"] for row in json.loads(shown.stdout)] == ["no", "<b>yes</b>"]


def test_the_page_asks_for_the_token_and_refuses_a_wrong_one(served: Served, tmp_path: Path) -> None:
    with tab(tmp_path) as page:
        page.open(served.api + "/#token=wrong")
        page.until("!document.getElementById('login').hidden")
        assert page.value("document.getElementById('board').hidden") is True
        assert "does not know" in page.until("document.getElementById('wrong').textContent")
        token = served.page.partition("=")[2]
        page.value(f"document.getElementById('word').value = {token!r}")
        page.value("document.querySelector('#login button').click()")
        page.until("!document.getElementById('board').hidden")


def test_workflows_are_served_beside_it(served: Served) -> None:
    assert "ossicle.train" in served.ask("/workflows/nodes").text
    assert httpx.get(served.api + "/workflows/nodes").status_code == 401


def test_a_hub_that_is_killed_comes_back_with_everything(served: Served, tmp_path: Path) -> None:
    ticket = tmp_path / "t"
    ossicle("hub", "enrol", "kitchen", "-o", str(ticket), "--folder", str(served.folder))
    made = sender(ticket, tmp_path)
    made.put([Said("result", {"label": "yes"})] * 20)
    assert made.drain(20.0)
    os.kill(served.process.pid, signal.SIGKILL)
    served.process.wait()
    made.put([Said("result", {"label": "while away"})] * 20)
    command = ["hub", "serve", "--folder", str(served.folder)]
    served.process = subprocess.Popen([sys.executable, "-m", "engine.cli", *command], stdout=subprocess.PIPE, text=True)
    assert made.drain(40.0), made.condition()
    made.stop()
    shown = ossicle("hub", "results", "--folder", str(served.folder), "--json", "--limit", "100")
    assert sorted(row["seq"] for row in json.loads(shown.stdout)) == list(range(1, 41))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("enrol", "a/b", "-o", "x"), "no name of a device"),
        (("dismiss", "nobody"), "no device"),
        (("serve", "--broker", "http://x"), "not an address"),
        (("serve", "--broker", "mqtts://h", "--password-file", "missing"), "cannot be read"),
        (("serve", "--host", "192.0.2.1"), "Cannot assign"),
    ],
)
def test_what_is_wrong_is_told_in_words(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = ossicle("hub", words[0], "--folder", str(tmp_path / "hub"), *words[1:])
    assert done.returncode == 2 or done.returncode == 1
    assert said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
