"""Downloads from a server on loopback that can break off, lie, forget, redirect and refuse."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nodes.dsp import fetch as library
from nodes.dsp.errors import SourceError
from nodes.dsp.fetch import ask, fetch, is_address, kept, shown

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """What the server has, how it behaves, and what it was asked."""

    address: str = ""
    content: bytes = CONTENT
    etag: str = '"v1"'
    ranges: bool = True
    is_down: bool = False
    break_after: list[int] = field(default_factory=list)
    """Bytes after which each next answer breaks off."""
    statuses: list[int] = field(default_factory=list)
    """Statuses of the next answers, before it behaves."""
    asked: list[tuple[str, str]] = field(default_factory=list)


def handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, with_body: bool) -> None:
            if site.is_down:
                self.close_connection = True
                return
            site.asked.append((self.command, self.headers.get("range", "")))
            status = site.statuses.pop(0) if site.statuses and with_body else 200
            if self.path == "/moved":
                self.reply(302, {"location": "/set.tar.gz", "content-length": "0"})
            elif status != 200 or self.path != "/set.tar.gz":
                self.reply(status if status != 200 else 404, {"content-length": "0"})
            else:
                self.file(with_body)

        def file(self, with_body: bool) -> None:
            wanted = self.headers.get("range")
            fits = site.ranges and self.headers.get("if-range") in (None, site.etag)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and fits else 0
            size = len(site.content)
            headers = {"content-length": str(size - start), "etag": site.etag}
            if start >= size:
                self.reply(416, {"content-length": "0"})
                return
            partial = {"content-range": f"bytes {start}-{size - 1}/{size}"} if start else {}
            self.reply(206 if start else 200, {**headers, **partial})
            if with_body:
                end = start + site.break_after.pop(0) if site.break_after else size
                self.wfile.write(site.content[start:end])
                self.close_connection = True

        def reply(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    return Handler


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(library, "_PAUSES_S", (0.0,) * 4)
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(site))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}/set.tar.gz"
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def gets(site: Site) -> list[str]:
    return [span for method, span in site.asked if method == "GET"]


def test_download(site: Site, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    path = fetch(site.address, tmp_path, SHA256, lambda *step: steps.append(step))
    assert path.read_bytes() == CONTENT and path.name.endswith("-set.tar.gz")
    assert steps[-1] == (len(CONTENT), len(CONTENT)) and steps == sorted(steps)
    assert {one.name for one in tmp_path.iterdir()} == {path.name, path.name + ".json"}


def test_a_kept_file_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    first = fetch(site.address, tmp_path)
    assert fetch(site.address, tmp_path) == first and len(gets(site)) == 1
    assert fetch(site.address, tmp_path, SHA256) == first and len(gets(site)) == 1


def test_a_changed_file_is_fetched_again(site: Site, tmp_path: Path) -> None:
    fetch(site.address, tmp_path)
    site.content, site.etag = CONTENT[::-1], '"v2"'
    assert fetch(site.address, tmp_path).read_bytes() == CONTENT[::-1]


def test_a_kept_file_serves_when_the_server_is_down(tmp_path: Path, site: Site) -> None:
    path = fetch(site.address, tmp_path)
    assert kept(site.address, tmp_path) == ask(site.address)
    site.is_down = True
    assert ask(site.address) is None
    assert fetch(site.address, tmp_path) == path


def test_a_broken_transfer_goes_on_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.break_after = [300_000, 200_000]
    assert fetch(site.address, tmp_path, SHA256).read_bytes() == CONTENT
    spans = gets(site)
    assert len(spans) == 3 and spans[0] == "" and all(span.startswith("bytes=") for span in spans[1:])


def test_a_later_call_goes_on_too(site: Site, tmp_path: Path) -> None:
    site.break_after = [100_000, 100_000, 100_000, 100_000]
    with pytest.raises(SourceError, match="cannot be downloaded.*what has arrived is kept"):
        fetch(site.address, tmp_path, SHA256)
    assert not [one for one in tmp_path.iterdir() if one.name.endswith("-set.tar.gz")]
    assert fetch(site.address, tmp_path, SHA256).read_bytes() == CONTENT
    assert gets(site)[-1].startswith("bytes=")


def test_a_server_without_ranges_starts_over(site: Site, tmp_path: Path) -> None:
    site.ranges, site.break_after = False, [300_000]
    assert fetch(site.address, tmp_path, SHA256).read_bytes() == CONTENT


def test_a_file_that_changed_in_between_starts_over(site: Site, tmp_path: Path) -> None:
    site.break_after = [100_000] * 4
    with pytest.raises(SourceError):
        fetch(site.address, tmp_path)
    site.content, site.etag, site.break_after = CONTENT[::-1] + b"more", '"v2"', []
    assert fetch(site.address, tmp_path).read_bytes() == site.content


def test_killed_between_the_last_byte_and_the_name(site: Site, tmp_path: Path) -> None:
    path = fetch(site.address, tmp_path)
    path.rename(path.with_name(path.name + ".part"))
    path.with_name(path.name + ".json").rename(path.with_name(path.name + ".part.json"))
    assert fetch(site.address, tmp_path, SHA256).read_bytes() == CONTENT and len(gets(site)) == 1


def test_a_part_longer_than_the_file_starts_over(site: Site, tmp_path: Path) -> None:
    path = fetch(site.address, tmp_path)
    part = path.with_name(path.name + ".part")
    part.write_bytes(CONTENT + b"too much")
    path.with_name(path.name + ".json").rename(part.with_name(part.name + ".json"))
    path.unlink()
    assert fetch(site.address, tmp_path, SHA256).read_bytes() == CONTENT


def test_404(site: Site, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="answered 404 Not Found") as caught:
        fetch(site.address.replace("set", "other"), tmp_path)
    assert caught.value.expected and caught.value.remedy and len(gets(site)) == 1
    assert not any(one.name.endswith("gz") for one in tmp_path.iterdir())


def test_a_server_that_stumbles_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.statuses = [503, 500]
    assert fetch(site.address, tmp_path).read_bytes() == CONTENT
    site.statuses = [503] * 4
    with pytest.raises(SourceError, match="the server answered 503"):
        fetch(site.address + "?again", tmp_path)


def test_a_wrong_digest_is_thrown_away(site: Site, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"has the sha256 {SHA256}. Expected: {'0' * 64}"):
        fetch(site.address, tmp_path, "0" * 64)
    assert not any(one.name.endswith((".gz", ".part")) for one in tmp_path.iterdir())


def test_redirects_are_followed(site: Site, tmp_path: Path) -> None:
    assert fetch(site.address.replace("set.tar.gz", "moved"), tmp_path, SHA256).read_bytes() == CONTENT


def test_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_PAUSES_S", (0.0,))
    with pytest.raises(SourceError, match="cannot be downloaded"):
        fetch("http://127.0.0.1:9/x.zip", tmp_path)
    assert ask("http://127.0.0.1:9/x.zip") is None and kept("http://127.0.0.1:9/x.zip", tmp_path) is None


@pytest.mark.parametrize("address", ["http://", "http://[", "http://a b/c"])
def test_addresses_that_are_none(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_PAUSES_S", (0.0,))
    with pytest.raises(SourceError):
        fetch(address, tmp_path)


def test_progress_may_stop_it_and_the_part_stays(site: Site, tmp_path: Path) -> None:
    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(site.address, tmp_path, progress=stop)
    assert any(one.name.endswith(".part") for one in tmp_path.iterdir())


def test_passwords_are_not_shown() -> None:
    assert shown("https://me:secret@host.org/a.zip?token=secret") == "https://host.org/a.zip"
    assert is_address("HTTPS://x") and not is_address("/tmp/http://x")


@pytest.mark.parametrize("path", ["/a/../../../etc/passwd", "/%2e%2e/x", "/", "/a b?c=../../x", "/" + "n" * 400])
def test_the_name_stays_in_the_folder(path: str, tmp_path: Path) -> None:
    place = library._place(f"http://host{path}", tmp_path)
    assert place.file.parent == tmp_path and len(place.file.name) < 120
