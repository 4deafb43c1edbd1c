"""The background server: started once, private, found again, stopped; stale places are seen through."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from engine import server
from engine.errors import OssicleError


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OSSICLE_SERVER_HOME", str(tmp_path))
    return tmp_path


def test_it_is_healthy_private_and_on_loopback_only(prefect_server: Path) -> None:
    found = server.status()
    assert found.state == "healthy" and found.server is not None
    assert (prefect_server / "server.json").stat().st_mode & 0o777 == 0o600
    filters = f"{found.server.api_url}/flow_runs/filter"
    assert httpx.post(filters, json={}).status_code == 401
    assert httpx.post(filters, json={}, auth=("ossicle", "wrong")).status_code == 401
    assert httpx.post(filters, json={}, auth=(server.USER, found.server.token)).is_success
    family = [psutil.Process(found.server.pid), *psutil.Process(found.server.pid).children(recursive=True)]
    places = [c.laddr.ip for p in family for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert places and set(places) == {"127.0.0.1"}


def test_it_is_started_once_whoever_asks(prefect_server: Path) -> None:
    before = server.status().server
    threads = [threading.Thread(target=server.start_in_background) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.ensure() == before


def test_the_command_tells_where_it_is(prefect_server: Path) -> None:
    command = [sys.executable, "-P", "-m", "engine.cli", "server", "status", "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    found = server.status().server
    assert found is not None
    assert (told["state"], told["pid"], told["address"]) == ("healthy", found.pid, found.api_url)
    assert found.token not in json.dumps(told)


def test_start_and_stop(own_home: Path) -> None:
    started = server.start_in_background()
    assert started.state == "starting" and started.server is not None
    assert server.is_alive(started.server.pid)
    assert server.stop() and not server.is_alive(started.server.pid)
    assert server.status().state == "stopped" and not server.stop()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": 999999999, "port": 1, "token": "x"}'])
def test_a_stale_or_damaged_place_is_no_server(own_home: Path, text: str) -> None:
    (own_home / "server.json").write_text(text)
    assert server.status() == server.Status("stopped")


def test_a_server_that_died_is_not_taken_for_alive(own_home: Path) -> None:
    started = server.start_in_background().server
    assert started is not None and server.status().state == "starting"
    os.killpg(started.pid, signal.SIGKILL)
    wait_for("stopped")


def test_a_stranger_with_the_number_of_a_dead_server_is_left_alone(own_home: Path) -> None:
    """After a crash or a restart of the machine another program may have got the server's process number."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        (own_home / "server.json").write_text(json.dumps({"pid": stranger.pid, "port": 9, "token": "x"}))
        assert server.status() == server.Status("stopped")
        assert not server.stop() and stranger.poll() is None
        stranger.kill()


def test_a_server_that_nobody_uses_ends_itself(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSSICLE_SERVER_IDLE_S", "1")
    assert server.start_in_background().state == "starting"
    wait_for("stopped")


def wait_for(state: str) -> None:
    end_s = time.monotonic() + 60
    while server.status().state != state:
        assert time.monotonic() < end_s, server.status()
        time.sleep(0.05)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OSSICLE_SERVER_HOME", str(tmp_path / "file" / "below"))
    with pytest.raises(OssicleError, match="OSSICLE_SERVER_HOME"):
        server.start_in_background()
