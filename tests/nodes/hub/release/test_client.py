"""Roll-out to devices: what is signed is installed, and six attacks are not."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from release_home import Served, bundle, cut_after, drip, endless, instead, served

from nodes.hub.errors import HubError
from nodes.hub.release.client import is_chosen, update
from nodes.hub.release.keys import make_key
from nodes.hub.release.repository import Repository
from nodes.hub.release.slots import Slots


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "home") as found:
        yield found


def publish(home: Served, folder: Path, bias: float = 0.0, share: int = 100) -> str:
    name, data = bundle(folder, bias)
    home.repository.publish(home.keys, name, data, "stable", share)
    return name


def running(folder: Path) -> str:
    found = Slots(folder).pointer()
    return found.model(found.active) if found.active else ""


def test_install_next_and_back(home: Served, tmp_path: Path) -> None:
    device = home.follower(tmp_path / "device")
    with pytest.raises(HubError, match="no channel"):
        update(device)
    one = publish(home, tmp_path / "one")
    assert update(device).outcome == "installed"
    assert update(device).outcome == "current"
    two = publish(home, tmp_path / "two", 1.0)
    assert (update(device).outcome, running(device.folder)) == ("installed", two)
    home.repository.rollback(home.keys, "stable")
    assert (update(device).outcome, running(device.folder)) == ("installed", one)


def test_a_share_of_the_devices_comes_first(home: Served, tmp_path: Path) -> None:
    one = publish(home, tmp_path / "one")
    two = publish(home, tmp_path / "two", 1.0, share=30)
    devices = [f"device{number}" for number in range(40)]
    got = {}
    for name in devices:
        follower = home.follower(tmp_path / name, name)
        update(follower)
        got[name] = running(follower.folder)
    assert {name for name, model in got.items() if model == two} == {n for n in devices if is_chosen(n, two, 30)}
    assert set(got.values()) == {one, two}
    home.repository.publish(home.keys, two, bundle(tmp_path / "again", 1.0)[1], "stable", 100)
    assert {update(home.follower(tmp_path / name, name)).model for name in devices} == {two}


def test_shares_are_fair_and_stable() -> None:
    names = [f"d{number}" for number in range(2000)]
    chosen = {name for name in names if is_chosen(name, "m", 10)}
    assert 140 < len(chosen) < 260
    assert chosen <= {name for name in names if is_chosen(name, "m", 20)}
    assert chosen != {name for name in names if is_chosen(name, "other", 10)}


def test_keys_may_change_and_devices_follow(home: Served, tmp_path: Path) -> None:
    device = home.follower(tmp_path / "device")
    publish(home, tmp_path / "one")
    update(device)
    for role in ("targets", "snapshot", "timestamp"):
        home.repository.rotate(home.keys, role)
    two = publish(home, tmp_path / "two", 1.0)
    assert update(device).model == two
    with pytest.raises(HubError, match="cannot be replaced so"):
        home.repository.rotate(home.keys, "root")


def test_an_ill_model_is_rejected_once_and_the_old_one_runs(home: Served, tmp_path: Path) -> None:
    device = home.follower(tmp_path / "device")
    one = publish(home, tmp_path / "one")
    update(device)
    golden = json.loads((Slots(device.folder).start() / "golden.json").read_text())
    name, data = bundle(tmp_path / "ill", 5.0, golden)
    home.repository.publish(home.keys, name, data, "stable")
    assert (update(device).outcome, running(device.folder)) == ("rejected", one)
    home.asked.clear()
    assert update(device).why == "it failed on this device before"
    assert not any("models" in path for path in home.asked)


# ---- attacks: whatever the server says, only what was signed runs


def attacked(home: Served, tmp_path: Path) -> tuple[object, str, str]:
    device = home.follower(tmp_path / "device")
    one = publish(home, tmp_path / "one")
    update(device)
    return device, one, publish(home, tmp_path / "two", 1.0)


@pytest.mark.parametrize(
    ("ending", "fault", "said"),
    [
        (".zip", instead(b"PK evil" * 1000), "not what was signed|cannot be read"),
        (".zip", endless, "not what was signed|cannot be read"),
        (".zip", drip, "cannot be read"),
        ("timestamp.json", endless, "cannot be read|not to be trusted"),
        ("timestamp.json", instead(b"{}"), "not to be trusted"),
        ("timestamp.json", drip, "cannot be read"),
        ("snapshot.json", instead(b'{"signed":{},"signatures":[]}'), "not to be trusted"),
    ],
)
def test_other_bytes_are_refused(home: Served, tmp_path: Path, ending: str, fault: object, said: str) -> None:
    device, one, _ = attacked(home, tmp_path)
    home.faults[ending] = fault
    with pytest.raises(HubError, match=said):
        update(device)  # type: ignore[arg-type]
    assert running(tmp_path / "device") == one


def test_a_changed_word_is_refused(home: Served, tmp_path: Path) -> None:
    device, one, _ = attacked(home, tmp_path)
    path = home.repository.folder / "metadata" / "timestamp.json"
    raw = json.loads(path.read_bytes())
    raw["signed"]["version"] += 1
    path.write_text(json.dumps(raw))
    with pytest.raises(HubError, match="not signed by the keys"):
        update(device)  # type: ignore[arg-type]
    assert running(tmp_path / "device") == one


def test_old_metadata_is_refused(home: Served, tmp_path: Path) -> None:
    device = home.follower(tmp_path / "device")
    publish(home, tmp_path / "one")
    old = tmp_path / "old"
    shutil.copytree(home.repository.folder / "metadata", old)
    two = publish(home, tmp_path / "two", 1.0)
    update(device)
    home.faults["timestamp.json"] = instead((old / "timestamp.json").read_bytes())
    with pytest.raises(HubError, match="older metadata"):
        update(device)
    assert running(tmp_path / "device") == two


def test_a_frozen_word_is_refused(home: Served, tmp_path: Path) -> None:
    publish(home, tmp_path / "one")
    past = Repository(home.repository.folder, lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(days=2))
    past.refresh(home.keys)
    with pytest.raises(HubError, match="expired"):
        update(home.follower(tmp_path / "device"))


def test_a_wrong_key_is_refused(home: Served, tmp_path: Path) -> None:
    device, one, _ = attacked(home, tmp_path)
    shutil.rmtree(tmp_path / "forged", ignore_errors=True)
    forged = tmp_path / "forged"
    make_key(forged, "targets")
    for name in ("snapshot", "timestamp"):
        shutil.copy(home.keys / f"{name}.pem", forged / f"{name}.pem")
    name, data = bundle(tmp_path / "evil", 9.0)
    home.repository.publish(forged, name, data, "stable")
    with pytest.raises(HubError, match="not signed by the keys"):
        update(device)  # type: ignore[arg-type]
    assert running(tmp_path / "device") == one


def test_another_root_is_refused(home: Served, tmp_path: Path) -> None:
    with served(tmp_path / "foreign") as foreign:
        publish(foreign, tmp_path / "one")
        with pytest.raises(HubError, match="not to be trusted"):
            update(foreign.follower(tmp_path / "device", root=home.repository.root_bytes()))
    assert running(tmp_path / "device") == ""


def test_a_broken_download_changes_nothing_and_the_next_one_works(home: Served, tmp_path: Path) -> None:
    device, one, two = attacked(home, tmp_path)
    data = next((home.repository.folder / "targets" / "models").glob(f"*{two.rpartition('/')[2]}")).read_bytes()
    home.faults[".zip"] = cut_after(data, len(data) // 2)
    with pytest.raises(HubError):
        update(device)  # type: ignore[arg-type]
    assert running(tmp_path / "device") == one
    home.faults.clear()
    assert update(device).model == two  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["file:///etc", "http://127.0.0.1:1", "nonsense"])
def test_addresses_that_do_not_answer_are_told(home: Served, tmp_path: Path, url: str) -> None:
    with pytest.raises(HubError, match="cannot be read"):
        update(home.follower(tmp_path / "device", url=url))
