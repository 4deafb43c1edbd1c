"""A real headless Chromium, driven by its DevTools protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

START_S, ANSWER_S = 30.0, 20.0
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions",
    "--remote-debugging-port=0", "--window-size=1280,900",
)  # fmt: skip


@dataclass
class Tab:
    """One page."""

    line: Connection
    problems: list[str] = field(default_factory=list)
    _number: int = 0

    def command(self, method: str, **values: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer."""
        self._number += 1
        self.line.send(json.dumps({"id": self._number, "method": method, "params": values}))
        while True:
            told: dict[str, Any] = json.loads(self.line.recv(ANSWER_S))
            if told.get("id") == self._number:
                assert "error" not in told, told
                return dict(told["result"])
            self._note(told)

    def _note(self, told: dict[str, Any]) -> None:
        """Remember what the page complained of."""
        if told.get("method") == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(told["params"]["exceptionDetails"])[:500])
        if told.get("method") == "Log.entryAdded" and told["params"]["entry"]["level"] == "error":
            self.problems.append(told["params"]["entry"]["text"])

    def open(self, url: str) -> None:
        """Go to an address."""
        for domain in ("Page", "Runtime", "Log"):
            self.command(f"{domain}.enable")
        self.command("Page.navigate", url=url)
        self.until("location.protocol !== 'about:' && document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is in the page."""
        found = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str, timeout_s: float = ANSWER_S) -> Any:
        """Wait until an expression is true; its value."""
        end = time.monotonic() + timeout_s
        while not (found := self.value(expression)) and time.monotonic() < end:
            time.sleep(0.05)
        assert found, f"{expression} did not come true; {self.value('document.body.innerText')}"
        return found


@contextmanager
def tab(folder: Path) -> Iterator[Tab]:
    """A browser with one page; its profile lies in `folder`."""
    program = shutil.which("chromium")
    assert program is not None, "chromium is not installed: run `make setup-test`"
    profile = folder / "profile"
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen([program, *FLAGS, f"--user-data-dir={profile}", "about:blank"], stderr=log)
    try:
        with connect(_address(profile), max_size=None) as line:
            yield Tab(line)
    finally:
        process.terminate()
        process.wait()


def _address(profile: Path) -> str:
    port_file, end = profile / "DevToolsActivePort", time.monotonic() + START_S
    while not (port_file.exists() and port_file.read_text().count("\n") >= 1):
        assert time.monotonic() < end, "the browser did not start"
        time.sleep(0.05)
    port = port_file.read_text().split("\n")[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
        pages = json.load(answer)
    return str(next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"))
