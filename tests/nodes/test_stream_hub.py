"""A device streams to a real hub: its password over HTTP, sound over WebRTC, the result in the store."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from release_home import deployment

from nodes.hub.errors import HubError
from nodes.hub.stream.client import stream
from nodes.hub.stream.signalling import http_offer
from nodes.hub.stream.sound import frame_samples
from nodes.hub.ticket import read_ticket


def test_sound_goes_to_the_hub_and_a_result_comes_out(tmp_path: Path) -> None:
    made, hub, ticket = deployment(tmp_path / "d", bias=4.0), tmp_path / "hub", tmp_path / "ticket"
    words = [sys.executable, "-m", "engine.cli", "hub"]
    command = [*words, "serve", "--folder", str(hub), "--deployment", str(made)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        subprocess.run([*words, "enrol", "kitchen", "-o", str(ticket), "--folder", str(hub)], check=True)
        password, size = read_ticket(ticket).password, frame_samples(8000)
        deadline = 50
        while httpx.post(told["api"] + "/stream", json={"sdp": ""}, auth=("kitchen", password)).status_code == 401:
            deadline -= 1
            assert deadline, "the hub does not let the device in"
        noise = np.random.default_rng(0).integers(-9000, 9000, (200, size)).astype(np.int16)
        line = asyncio.run(stream(iter(noise), 8000, http_offer(told["api"], "kitchen", password)))
        assert len(line.answers) >= 2
        token = told["page"].partition("=")[2]
        rows = httpx.get(told["api"] + "/api/events", headers={"Authorization": f"Bearer {token}"}).json()
        assert [(row["device"], row["body"]["by"]) for row in rows] == [("kitchen", "cloud")] * len(rows) != []
        with pytest.raises(HubError, match="does not let kitchen in"):
            asyncio.run(stream(iter(noise), 8000, http_offer(told["api"], "kitchen", "wrong")))
        assert httpx.post(told["api"] + "/stream", json={"sdp": ""}).status_code == 401
        foolish = httpx.post(told["api"] + "/stream", json={"sdp": "x"}, auth=("kitchen", password))
        assert foolish.status_code == 409
    finally:
        process.terminate()
        process.wait(20)
