"""Bundles: the same bytes for the same content, and nothing hostile is unpacked."""

import io
import stat
import zipfile
from pathlib import Path

import pytest
from release_home import bundle, deployment

from nodes.hub.errors import HubError
from nodes.hub.release.bundle import make_bundle, name_of, unpack
from nodes.hub.release.health import check_health, golden_of, made_clips


def archive(*members: tuple[str, bytes], mode: int = 0) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            made.writestr(info, content)
    return data.getvalue()


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    made = deployment(tmp_path / "d")
    golden = golden_of(made)
    assert make_bundle(made, golden) == make_bundle(made, golden)
    assert name_of(b"x", "Über Wörter!").startswith("models/")


def test_what_is_packed_is_unpacked_and_healthy(tmp_path: Path) -> None:
    _, data = bundle(tmp_path / "d")
    (tmp_path / "b.zip").write_bytes(data)
    unpack(tmp_path / "b.zip", tmp_path / "slot")
    assert (tmp_path / "slot" / "model.onnx").read_bytes() == (tmp_path / "d" / "model.onnx").read_bytes()
    check_health(tmp_path / "slot")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"PK", archive(("../out", b"x")), archive(("/etc/x", b"x")), archive(("a/../../x", b"x")),
        archive(("a\\..\\x", b"x")), archive(("c:x", b"x")), archive(("a//b", b"x")),
        archive(("a", b"x"), ("A", b"y")), archive(("folder/", b"")),
        archive(("link", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), archive(("pipe", b""), mode=stat.S_IFIFO | 0o600),
        archive(*((f"f{n}", b"") for n in range(501))),
        archive(("model.onnx", b"x" * 1000))[:-40],
    ],
)  # fmt: skip
def test_hostile_archives_are_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(data)
    with pytest.raises(HubError):
        unpack(tmp_path / "b.zip", tmp_path / "deep" / "slot")
    assert {path.name for path in tmp_path.iterdir()} <= {"b.zip", "deep"}


def test_a_file_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    data = bytearray(archive(("a", b"x" * 100_000)))
    for at in range(len(data) - 4):
        if data[at : at + 4] == (100_000).to_bytes(4, "little"):
            data[at : at + 4] = (10).to_bytes(4, "little")
    (tmp_path / "b.zip").write_bytes(bytes(data))
    with pytest.raises(HubError):
        unpack(tmp_path / "b.zip", tmp_path / "slot")


def test_links_are_not_packed(tmp_path: Path) -> None:
    made = deployment(tmp_path / "d")
    (made / "secret.txt").symlink_to("/etc/passwd")
    with pytest.raises(HubError, match="is a link"):
        make_bundle(made, {})


@pytest.mark.parametrize("golden", [{}, {"format": 1, "clips": []}, {"format": 1, "clips": [{"samples": "!"}]}])
def test_a_bundle_without_golden_clips_is_ill(golden: dict[str, object], tmp_path: Path) -> None:
    _, data = bundle(tmp_path / "d", golden=golden)
    (tmp_path / "b.zip").write_bytes(data)
    unpack(tmp_path / "b.zip", tmp_path / "slot")
    with pytest.raises(HubError, match="golden clips"):
        check_health(tmp_path / "slot")


def test_another_network_than_that_of_the_golden_clips_is_ill(tmp_path: Path) -> None:
    golden = golden_of(deployment(tmp_path / "one", bias=0.0), made_clips(4000))
    _, data = bundle(tmp_path / "two", bias=3.0, golden=golden)
    (tmp_path / "b.zip").write_bytes(data)
    unpack(tmp_path / "b.zip", tmp_path / "slot")
    with pytest.raises(HubError, match="otherwise than where it was made"):
        check_health(tmp_path / "slot")
