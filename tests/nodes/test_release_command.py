"""`ossicle release`, as a user meets it, down to a device that listens with what it was sent."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from hub_home import home, ticket, until
from release_home import deployment, served


def ossicle(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_from_a_key_to_a_listening_device(tmp_path: Path) -> None:
    made, repository, keys = deployment(tmp_path / "d"), tmp_path / "repo", tmp_path / "keys"
    where = ("--repository", repository, "--keys", keys)
    told = json.loads(ossicle("release", "create", *where, "--json").stdout)
    assert Path(told["root"]).is_file()
    assert sorted(path.stat().st_mode & 0o777 for path in keys.iterdir()) == [0o600] * 6
    done = ossicle("release", "publish", made, *where, "--share", "50", "--json")
    assert json.loads(done.stdout)["share"] == 50, done.stderr
    status = json.loads(ossicle("release", "status", "--repository", repository, "--json").stdout)
    assert status["channels"]["stable"]["share"] == 50
    assert len(status["models"]) == 1
    assert ossicle("release", "rollback", *where).returncode == 2
    assert ossicle("release", "rotate", "timestamp", *where).returncode == 0
    assert ossicle("release", "refresh", *where).returncode == 0


def test_the_hub_serves_what_was_signed(tmp_path: Path) -> None:
    hub, keys = tmp_path / "hub", tmp_path / "keys"
    where = ("--repository", hub / "repository", "--keys", keys)
    assert ossicle("release", "create", *where).returncode == 0
    assert ossicle("release", "publish", deployment(tmp_path / "d"), *where).returncode == 0
    words = ["hub", "serve", "--folder", str(hub), "--release-keys", str(keys)]
    process = subprocess.Popen([sys.executable, "-m", "engine.cli", *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        api, token = told["api"], told["page"].partition("=")[2]
        root = hub / "repository" / "metadata" / "1.root.json"
        own = ("--repository", f"{api}/repository", "--root", root, "--device", "kitchen", "--json")
        done = ossicle("device", "update", tmp_path / "kitchen", *own)
        assert json.loads(done.stdout)["outcome"] == "installed", done.stderr
        versions = json.loads(ossicle("release", "status", "--repository", hub / "repository", "--json").stdout)[
            "roles"
        ]
        assert versions["timestamp"]["version"] == 3
        assert httpx.get(f"{api}/api/releases").status_code == 401
        shown = httpx.get(f"{api}/api/releases", headers={"Authorization": f"Bearer {token}"}).json()
        assert list(shown["models"]) == [shown["channels"]["stable"]["model"]]
        assert shown["devices"] == {}
    finally:
        process.terminate()
        process.wait()


def test_a_device_updates_on_an_order_and_says_so(tmp_path: Path) -> None:
    with served(tmp_path / "served") as releases, home("mosquitto", tmp_path / "home") as house:
        root, slots = tmp_path / "root.json", tmp_path / "kitchen"
        root.write_bytes(releases.repository.root_bytes())
        where = ("--repository", releases.repository.folder, "--keys", releases.keys)
        assert ossicle("release", "publish", deployment(tmp_path / "one"), *where).returncode == 0
        own = ("--repository", releases.url, "--root", root)
        first = ossicle("device", "update", slots, *own, "--device", "kitchen", "--json")
        assert json.loads(first.stdout)["outcome"] == "installed", first.stderr
        assert ossicle("release", "publish", deployment(tmp_path / "two", 2.0), *where).returncode == 0
        sound = tmp_path / "sound.wav"
        soundfile.write(sound, np.random.default_rng(0).normal(0, 0.1, 8000 * 20), 8000)
        receiver = house.receiver()
        words = ["device", "run", slots, "--source", sound, "--hub", ticket(house, "kitchen"), *own, "--json"]
        process = subprocess.Popen([sys.executable, "-m", "engine.cli", *map(str, words)], stdout=subprocess.PIPE)
        try:
            assert until(lambda: "kitchen" in receiver.tally.presence)
            assert until(lambda: receiver.order("kitchen", b'{"order":"update"}') and bool(said(house)), 40.0)
            assert said(house)[0]["outcome"] == "installed"
            assert until(lambda: json.loads((slots / "pointer.json").read_text())["is_proven"], 40.0)
        finally:
            process.kill()
            process.wait()


def said(house: object) -> list[dict[str, str]]:
    rows = house.store.history("kitchen", limit=10_000)  # type: ignore[attr-defined]
    return [dict(row.body) for row in rows if row.kind == "release"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("release", "publish", "missing"), "no deployment"),
        (("release", "publish", "{made}", "--repository", "{tmp}/none"), "cannot be read"),
        (("release", "publish", "{made}", "--channel", "UP"), "no name of a channel"),
        (("release", "publish", "{made}", "--golden", "{tmp}/none"), "no recordings"),
        (("release", "rollback", "--repository", "{tmp}/none"), "cannot be read"),
        (
            ("device", "update", "{tmp}/x", "--repository", "http://127.0.0.1:1", "--root", "none", "--device", "d"),
            "root.json",
        ),
    ],
)
def test_what_is_wrong_is_told_in_words(words: tuple[str, ...], text: str, tmp_path: Path) -> None:
    made = deployment(tmp_path / "d")
    done = ossicle(*(word.format(made=made, tmp=tmp_path) for word in words))
    assert done.returncode != 0
    assert text in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
