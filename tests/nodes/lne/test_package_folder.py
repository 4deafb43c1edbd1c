"""A folder is whole and verified, or not there at all."""

from __future__ import annotations

import json
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from lne_packages import (
    SIZES,
    features,
    small_package,
    wanted,
)

from nodes.lne import LneError
from nodes.lne.package import (
    Check,
    Order,
    open_package,
    sources,
    write_below,
    write_package,
)


def test_forty_packages_at_once_into_one_folder(tmp_path: Path) -> None:
    """Twenty names, each twice: forty whole folders, none mixed with another."""

    def write(number: int) -> Path:
        package = small_package(f"net {number % 20}", ("c",), seed=number)
        return write_below(tmp_path, package, Order(compiles=number % 10 == 0, network=bytes([number])))

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(write, range(40)))
    assert len(set(made)) == 40
    assert set(tmp_path.iterdir()) == set(made)
    for number, folder in enumerate(made):
        told = json.loads((folder / "deployment.json").read_text())
        assert told["name"] == f"net_{number % 20}"
        assert folder.name in (told["name"], f"{told['name']}_2")
        assert (folder / "model.onnx").read_bytes() == bytes([number])
        for name, digest in told["files"].items():
            assert sha256((folder / name).read_bytes()).hexdigest() == digest["sha256"]
        if number % 10 == 0:
            np.testing.assert_allclose(
                open_package(folder)(features()), wanted(features(), number), rtol=1e-3, atol=1e-4
            )


def test_writers_of_one_folder_replace_each_other_whole(tmp_path: Path) -> None:
    folder = tmp_path / "one"

    def write(number: int) -> None:
        write_package(folder, small_package("one", ("c",), seed=number), Order(compiles=False, network=bytes([number])))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))
    assert list(tmp_path.iterdir()) == [folder]
    number = (folder / "model.onnx").read_bytes()[0]
    expected = sources(small_package("one", ("c",), seed=number))
    assert {name: (folder / name).read_text() for name in expected} == expected


def test_an_empty_folder_is_filled_and_a_foreign_one_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    package, order = small_package("one", ("c",)), Order(compiles=False)
    assert (write_package(tmp_path / "empty", package, order) / "one.h").is_file()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    for taken in (foreign, foreign / "thesis.txt"):
        with pytest.raises(LneError, match="something else"):
            write_package(taken, package, order)
    with pytest.raises(LneError, match="something else"):
        write_package(tmp_path / "empty", small_package("two", ("c",)), order)
    assert (foreign / "thesis.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "foreign"}


def test_a_build_that_fails_verification_is_never_handed_on(tmp_path: Path) -> None:
    for bad in (wanted(features()) + 1, np.full(SIZES["output"], np.nan, np.float32)):
        with pytest.raises(LneError, match="is off by"):
            order = Order(checks=[Check(features(), bad.astype(np.float32))])
            write_package(tmp_path / "small", small_package(levels=("c",)), order)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["missing", "fails", "is no program", "makes nothing"])
def test_a_compiler_that_is_missing_or_broken_is_told_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    bad = tmp_path / "bad-cc"
    scripts = {"fails": "#!/bin/sh\necho 'x.c:1: error: out of spirits' >&2; exit 1", "makes nothing": "#!/bin/sh\n"}
    if kind != "missing":
        bad.write_text(scripts.get(kind, "\x7fELF but not really"))
        bad.chmod(bad.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", str(bad))
    monkeypatch.setenv("PATH", str(tmp_path) if kind == "missing" else os.environ["PATH"])
    words = {"missing": "no C compiler", "fails": "out of spirits", "is no program": "could not be run"}
    with pytest.raises(LneError, match=words.get(kind, "made no library")):
        write_package(tmp_path / "small", small_package(levels=("c",)))
    assert {path.name for path in tmp_path.iterdir()} <= {"bad-cc"}
    folder = write_package(tmp_path / "small", small_package(levels=("c",)), Order(compiles=False))
    with pytest.raises(LneError, match="no library"):
        open_package(folder)


def test_a_damaged_folder_is_told(folder: Path, tmp_path: Path) -> None:
    def broken(name: str, content: bytes) -> Path:
        away = shutil.copytree(folder, tmp_path / str(len(list(tmp_path.iterdir()))))
        (away / name).write_bytes(content)
        return away

    description = (folder / "deployment.json").read_bytes()
    cases = {
        "cannot be loaded": ("libsmall.so", b"not a library"),
        "no generated engine": ("deployment.json", description[:500]),
        "newer Ossicle": ("deployment.json", description.replace(b'"abi": 1', b'"abi": 7')),
    }
    for words, (name, content) in cases.items():
        with pytest.raises(LneError, match=words):
            open_package(broken(name, content))
    foreign = json.loads(description)
    foreign["engine"]["name"] = "other"
    with pytest.raises(LneError, match="no function other_prepare"):
        open_package(broken("deployment.json", json.dumps(foreign).encode()))
