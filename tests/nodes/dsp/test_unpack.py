"""Archives, friendly and hostile: nothing leaves the folder, nothing grows past the limits."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import resource
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from nodes.dsp.errors import SourceError
from nodes.dsp.unpack import Limits, safe_parts, unpack

FILES = {"set/a/1.wav": b"one", "set/b c/ü.wav": b"two" * 100_000, "./set/c/empty.wav": b""}
Pack = Callable[[Path, dict[str, bytes]], Path]


def tar(folder: Path, files: dict[str, bytes], kind: str = "", suffix: str = "tar") -> Path:
    path = folder / f"a.{suffix}"
    with tarfile.open(path, f"w:{kind}") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def tar_gz(folder: Path, files: dict[str, bytes]) -> Path:
    return tar(folder, files, "gz", "tar.gz")


def tar_bz2(folder: Path, files: dict[str, bytes]) -> Path:
    return tar(folder, files, "bz2", "tar.bz2")


def zipped(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


PACKS = pytest.mark.parametrize("pack", [tar, tar_gz, tar_bz2, zipped])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@PACKS
def test_round_trip(pack: Pack, tmp_path: Path) -> None:
    fractions: list[float] = []
    issues = unpack(pack(tmp_path, FILES), tmp_path / "out", progress=fractions.append)
    assert contents(tmp_path / "out") == {name.removeprefix("./"): content for name, content in FILES.items()}
    assert not issues and len(fractions) == 3 and all(0 <= one <= 1 for one in fractions)


@PACKS
@pytest.mark.parametrize("suffix", ["wav", "zip", "tar.gz", "data"])
def test_the_kind_is_told_by_content(pack: Pack, suffix: str, tmp_path: Path) -> None:
    renamed = pack(tmp_path, FILES).rename(tmp_path / f"x.{suffix}")
    unpack(renamed, tmp_path / "out")
    assert len(contents(tmp_path / "out")) == 3


def test_gnu_and_pax_long_names(tmp_path: Path) -> None:
    name = "/".join(["långt" * 10] * 4) + "/1.wav"
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "a.tar", "w", format=form) as archive:
            archive.addfile(tarfile.TarInfo(name))
        unpack(tmp_path / "a.tar", tmp_path / str(form))
        assert list(contents(tmp_path / str(form))) == [name]


OUTSIDE = [
    "../x.wav",
    "a/../../x.wav",
    "/tmp/ossicle-x.wav",
    "..\\x.wav",
    "C:\\x.wav",
    "c:x.wav",
    "\\x.wav",
    "a\n/x.wav",
]


@PACKS
@pytest.mark.parametrize("name", OUTSIDE)
def test_names_that_lead_out_refuse_the_archive(pack: Pack, name: str, tmp_path: Path) -> None:
    archive = pack(tmp_path, {"a/fine.wav": b"1", name: b"2"})
    with pytest.raises(SourceError, match="leads out of its folder"):
        unpack(archive, tmp_path / "in" / "out")
    assert {path.name for path in (tmp_path / "in").rglob("*")} == {"out", "a", "fine.wav"}
    assert not Path("/tmp/ossicle-x.wav").exists() and not (tmp_path / "x.wav").exists()


@pytest.mark.parametrize(
    ("name", "parts"), [("./a//b.wav", ("a", "b.wav")), ("a/./b", ("a", "b")), ("...", ("...",)), (".", ())]
)
def test_harmless_names(name: str, parts: tuple[str, ...]) -> None:
    assert safe_parts(name) == parts


def special(kind: bytes, name: str, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_links_and_devices_are_left_out_and_reported(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(special(tarfile.SYMTYPE, "link", str(tmp_path)))
        archive.addfile(special(tarfile.SYMTYPE, "a/up", "../../.."))
        archive.addfile(special(tarfile.LNKTYPE, "hard", str(tmp_path / "secret")))
        archive.addfile(special(tarfile.CHRTYPE, "zero"))
        archive.addfile(special(tarfile.BLKTYPE, "disk"))
        archive.addfile(special(tarfile.FIFOTYPE, "pipe"))
        through = tarfile.TarInfo("link/escaped.wav")
        through.size = 4
        archive.addfile(through, io.BytesIO(b"evil"))
    issues = unpack(tmp_path / "a.tar", tmp_path / "out")
    assert {issue.file for issue in issues} == {"link", "a/up", "hard", "zero", "disk", "pipe"}
    assert contents(tmp_path / "out") == {"link/escaped.wav": b"evil"}
    assert not (tmp_path / "escaped.wav").exists()
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def test_links_in_zip_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
        archive.writestr("link/passwd", "x")
    issues = unpack(tmp_path / "a.zip", tmp_path / "out")
    assert [issue.file for issue in issues] == ["link"] and contents(tmp_path / "out") == {"link/passwd": b"x"}


def zeros_in_members(path: Path, size_bytes: int) -> Path:
    """Ten gigabytes as concatenated gzip members: the archive is made in no time."""
    member = tarfile.TarInfo("zeros.wav")
    member.size = size_bytes
    block = gzip.compress(bytes(1 << 24), 9)
    with path.open("wb") as file:
        file.write(gzip.compress(member.tobuf()))
        for _ in range(size_bytes >> 24):
            file.write(block)
    return path


def test_10_gigabytes_of_zeros_are_stopped_early(tmp_path: Path) -> None:
    bomb = zeros_in_members(tmp_path / "bomb.tar.gz", 10 << 30)
    assert bomb.stat().st_size < 20_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError, match="expands more than 20 times.*raise max_ratio"):
        unpack(bomb, tmp_path / "out", Limits(ratio=20))
    written = sum(len(content) for content in contents(tmp_path / "out").values())
    assert written < 20 * bomb.stat().st_size + (1 << 20)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000


@pytest.mark.parametrize("pack", [tar_gz, tar_bz2, zipped])
def test_size_count_and_room_are_limited(pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(tmp_path, {f"{n}.wav": bytes(100_000) for n in range(20)})
    with pytest.raises(SourceError, match="more than 1,000,000 bytes.*raise max_unpacked_bytes"):
        unpack(archive, tmp_path / "1", Limits(total_bytes=1_000_000))
    assert sum(map(len, contents(tmp_path / "1").values())) <= 1_000_000
    with pytest.raises(SourceError, match="more than 5 files.*raise max_files"):
        unpack(archive, tmp_path / "2", Limits(files=5))
    assert len(contents(tmp_path / "2")) == 5
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=70 << 20))
    big = pack(tmp_path, {f"{n}.wav": bytes(1 << 20) for n in range(8)})
    with pytest.raises(SourceError, match="no room"):
        unpack(big, tmp_path / "3", Limits(ratio=1e9))


def header_bomb(path: Path, kind: bytes) -> Path:
    """A tar whose extended header (a long name, or PAX records) is said to be, and is, gigabytes of zeros."""
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, 4 << 30
    block = gzip.compress(bytes(1 << 24), 9)
    with path.open("wb") as file:
        file.write(gzip.compress(member.tobuf(tarfile.GNU_FORMAT)))
        for _ in range(256):
            file.write(block)
    return path


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_headers_of_gigabytes_are_refused(kind: bytes, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError, match="a header of 4,294,967,"):
        unpack(header_bomb(tmp_path / "a.tar.gz", kind), tmp_path / "out", Limits(ratio=1e9))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_sparse_files_are_left_out(tmp_path: Path) -> None:
    """A sparse member claims holes of any size without data."""
    member = tarfile.TarInfo("sparse.wav")
    member.type = tarfile.GNUTYPE_SPARSE
    raw = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    raw[386:410] = b"%011o\0%011o\0" % (0, 0)
    raw[483:495] = b"%011o\0" % (1 << 32)
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 8 * 32 + sum(raw[156:512]))
    (tmp_path / "a.tar").write_bytes(bytes(raw) + bytes(1024))
    issues = unpack(tmp_path / "a.tar", tmp_path / "out")
    assert [issue.what.split(" in")[0] for issue in issues] == ["a sparse file"] and not contents(tmp_path / "out")


@PACKS
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_truncated_archives(pack: Pack, part: float, tmp_path: Path) -> None:
    archive = pack(tmp_path, {f"{n}.wav": os.urandom(50_000) for n in range(5)})
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(SourceError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "out")


@PACKS
def test_flipped_bytes_never_crash(pack: Pack, tmp_path: Path) -> None:
    archive = pack(tmp_path, FILES)
    whole = archive.read_bytes()
    for place in range(0, min(len(whole), 3000), 37):
        archive.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            unpack(archive, tmp_path / f"out{place}")
        except SourceError as error:
            assert error.expected and error.remedy
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith("out")} == {archive.name}


def test_no_archive(tmp_path: Path) -> None:
    for content in (
        b"",
        b"RIFF....WAVE",
        b"<html>not found</html>" * 100,
        bz2.compress(b"no tar"),
        gzip.compress(b"no tar"),
    ):
        (tmp_path / "a.tar.gz").write_bytes(content)
        with pytest.raises(SourceError, match="is no archive|cannot be unpacked"):
            unpack(tmp_path / "a.tar.gz", tmp_path / "out")


def test_a_password_is_reported(tmp_path: Path) -> None:
    raw = bytearray(zipped(tmp_path, {"a.wav": b"x" * 100}).read_bytes())
    raw[6] |= 1
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(SourceError, match="password"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_file_and_a_folder_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a file and a folder"):
        unpack(tar(tmp_path, {"a": b"1", "a/b.wav": b"2"}), tmp_path / "out")


def test_a_name_too_long_for_the_disk(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be unpacked"):
        unpack(tar(tmp_path, {"n" * 300 + ".wav": b"1"}), tmp_path / "out")


def test_progress_may_stop_it(tmp_path: Path) -> None:
    def stop(_fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(tar(tmp_path, FILES), tmp_path / "out", progress=stop)
