"""The hub's folder: secrets are kept, and only for their owner."""

import json
import stat
from pathlib import Path

import pytest

from nodes.hub.certificates import authority
from nodes.hub.endpoint import Broker
from nodes.hub.errors import HubError
from nodes.hub.home import HubHome
from nodes.hub.ticket import read_ticket


def test_secrets_stay_the_same_and_are_private(tmp_path: Path) -> None:
    first = HubHome(tmp_path / "hub")
    again = HubHome(tmp_path / "hub")
    assert (first.token, first.users, first.port()) == (again.token, again.users, again.port())
    assert len(first.token) >= 32
    for name in ("token", "users.json"):
        assert stat.S_IMODE((tmp_path / "hub" / name).stat().st_mode) == 0o600


def test_a_device_enrols_and_is_dismissed(tmp_path: Path) -> None:
    home, other = HubHome(tmp_path), HubHome(tmp_path)
    word = home.enrol("kitchen")
    assert other.refresh()
    assert other.users["kitchen"] == word
    assert home.enrol("kitchen") != word
    home.dismiss("kitchen")
    assert home.devices() == ()
    with pytest.raises(HubError, match="no device"):
        home.dismiss("kitchen")


@pytest.mark.parametrize("name", ["hub", "../x", "a/b", "", "x" * 65])
def test_names_that_may_not_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(HubError):
        HubHome(tmp_path).enrol(name)
    with pytest.raises(HubError):
        HubHome(tmp_path).dismiss(name)


def test_a_ticket_is_read_as_it_was_written(tmp_path: Path) -> None:
    home = HubHome(tmp_path)
    authority(home.broker_folder)
    home.enrol("kitchen")
    ticket = home.ticket("kitchen", Broker("127.0.0.1", 8883, tls=True))
    (tmp_path / "ticket").write_text(json.dumps(ticket.document()))
    assert read_ticket(tmp_path / "ticket") == ticket


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format":1}', '{"format":1,"device":3}', "\0"])
def test_what_is_no_ticket_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "ticket").write_text(text)
    with pytest.raises(HubError, match="no ticket"):
        read_ticket(tmp_path / "ticket")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"hub":3}'])
def test_damaged_users_are_told_and_kept(tmp_path: Path, text: str) -> None:
    HubHome(tmp_path)
    (tmp_path / "users.json").write_text(text)
    with pytest.raises(HubError, match="cannot be read"):
        HubHome(tmp_path)
    assert (tmp_path / "users.json").read_text() == text
