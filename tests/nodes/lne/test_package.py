"""A network as a folder: what is in it, its C functions, and what they are called from Python."""

from __future__ import annotations

import ctypes
import json
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from lne_packages import (
    FRONT_END,
    LABELS,
    LEVELS,
    SIZES,
    Floats,
    features,
    small_graph,
    small_package,
    small_plan,
    speech,
    wanted,
)

from nodes.lne import LneError
from nodes.lne.build import compiler
from nodes.lne.package import (
    make_package,
    open_package,
    package_name,
    sources,
)
from nodes.lne.package.description import write_description
from nodes.lne.package.library import ALIGN_BYTES


def test_every_level_gives_the_reference_s_numbers(folder: Path) -> None:
    library = open_package(folder)
    assert library.levels == LEVELS
    for level in LEVELS:
        library.use(level)
        assert library.level == level
        np.testing.assert_allclose(library(features()), wanted(features()), rtol=1e-4, atol=1e-5)


def test_the_description_tells_files_levels_and_verification(folder: Path) -> None:
    told = json.loads((folder / "deployment.json").read_text())
    for name, digest in told["files"].items():
        data = (folder / name).read_bytes()
        assert digest == {"sha256": sha256(data).hexdigest(), "size_bytes": len(data)}
    assert set(told["files"]) == {path.name for path in folder.iterdir()} - {"deployment.json"}
    assert told["labels"] == list(LABELS)
    assert told["precision"] == "float32"
    engine = told["engine"]
    assert [level["target"] for level in engine["levels"]] == list(LEVELS)
    assert {layer["name"] for layer in engine["levels"][0]["layers"]} >= {"conv0", "conv1"}
    assert [one["level"] for one in engine["verified"]] == list(LEVELS)
    assert all(0 < one["error"] < 1e-5 for one in engine["verified"])
    assert 0 < engine["front_end_error"] < 1e-5


def test_a_description_written_again_keeps_the_verification(folder: Path, tmp_path: Path) -> None:
    away = shutil.copytree(folder, tmp_path / "away")
    before = json.loads((away / "deployment.json").read_text())
    write_description(small_package(), away, {"metrics": {"accuracy": 0.9}, "engine": {"latency_us": 3.5}})
    after = json.loads((away / "deployment.json").read_text())
    assert after.pop("metrics") == {"accuracy": 0.9}
    assert after["engine"].pop("latency_us") == 3.5
    assert after == before


def test_the_same_package_gives_the_same_bytes_and_names_no_folder(folder: Path) -> None:
    again = sources(small_package())
    assert {name: (folder / name).read_text() for name in again} == again
    for path in folder.iterdir():
        content = path.read_bytes()
        for place in (folder.parent, Path.cwd(), Path.home(), Path("/tmp"), Path("/usr/include")):
            assert str(place).encode() not in content, path.name


def test_only_functions_with_the_package_s_name_can_be_seen(folder: Path) -> None:
    shown = subprocess.run(["nm", "-D", "--defined-only", folder / "libsmall.so"], capture_output=True, text=True)
    names = [line.split()[-1] for line in shown.stdout.splitlines()]
    assert names
    assert all(name.startswith("small_") for name in names)


@pytest.mark.parametrize("standard", ["c99", "c11", "c++11"])
def test_the_header_is_strict_c_and_c_plus_plus(folder: Path, standard: str) -> None:
    language = "c++" if "+" in standard else "c"
    flags = [f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", language]
    subprocess.run([*compiler(), *flags, folder / "small.h"], check=True)


def test_labels_come_back_as_they_were(folder: Path) -> None:
    library = open_package(folder)
    function = library.functions.small_class
    function.restype = ctypes.c_char_p
    assert tuple(function(index).decode() for index in range(len(LABELS))) == LABELS
    assert function(-1) is None
    assert function(len(LABELS)) is None


def test_wrong_calls_are_told_by_codes(folder: Path) -> None:
    library = open_package(folder).functions
    x, y = features(), np.empty(SIZES["output"], np.float32)
    values, result = ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data)
    memory = np.zeros(10**6, np.uint8)
    start = -(-memory.ctypes.data // ALIGN_BYTES) * ALIGN_BYTES
    assert library.small_infer(values, result) == -3
    assert library.small_prepare(None) == -2
    assert library.small_prepare(ctypes.c_void_p(start + 4)) == -2
    assert library.small_use(b"quantum") == -2
    assert library.small_init() == 0
    assert library.small_infer(None, result) == -2
    assert library.small_infer(values, result) == 0
    np.testing.assert_allclose(y, wanted(x), rtol=1e-4, atol=1e-5)
    assert library.small_infer_with(ctypes.c_void_p(start + 8), values, result) == -2


def test_threads_with_their_own_workspaces_do_not_disturb_each_other(folder: Path) -> None:
    library = open_package(folder)
    inputs = [features(seed) for seed in range(4)]
    alone = [library(values) for values in inputs]

    def work(values: Floats) -> list[Floats]:
        memory = np.zeros(library.workspace.size, np.uint8)
        start = ctypes.c_void_p(-(-memory.ctypes.data // ALIGN_BYTES) * ALIGN_BYTES)
        assert library.functions.small_prepare(start) == 0
        found = []
        for _ in range(300):
            y = np.empty(SIZES["output"], np.float32)
            source, result = ctypes.c_void_p(values.ctypes.data), ctypes.c_void_p(y.ctypes.data)
            assert library.functions.small_infer_with(start, source, result) == 0
            found.append(y)
        return found

    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(work, inputs), alone, strict=True):
            assert all(np.array_equal(one, expected) for one in found)


def test_from_python_a_clip_of_the_wrong_size_is_refused(folder: Path) -> None:
    library = open_package(folder)
    with pytest.raises(LneError, match="shape"):
        library(np.zeros((1, 3), np.float32))
    with pytest.raises(LneError, match="2001"):
        library.features(np.zeros(2001, np.float32))
    with pytest.raises(LneError, match="not a finite number"):
        library.features(np.full(2000, np.nan, np.float32))
    with pytest.raises(LneError, match="not initialised"):
        library.stream().features()


def test_a_stream_from_python_hears_the_same(folder: Path, recordings: Path) -> None:
    library, samples = open_package(folder), speech(recordings)
    stream, hop = library.stream(), FRONT_END.hop_samples
    for end in range(hop, len(samples) - hop, hop):
        start = end - -(-FRONT_END.clip_samples // hop) * hop
        assert stream.push(samples[end - hop : end]) == (start >= 0)
        if start >= 0:
            found = library(stream.features())
            np.testing.assert_allclose(found, library(library.features(samples[start : start + 2000])), atol=1e-4)


@pytest.mark.parametrize(
    ("given", "name"),
    [("KWS 1/final", "kws_1_final"), ("m", "m_net"), ("c", "c_net"), ("example", "example_net"),
     ("7 words", "n7_words"), ("größe", "gr_e"), ("", "network"), ("x" * 300, "x" * 48)],
)  # fmt: skip
def test_names_are_c_identifiers_and_no_library_s(given: str, name: str) -> None:
    assert package_name(given) == name
    assert re.fullmatch(r"[a-z_]\w*", name)


def test_what_does_not_fit_is_refused() -> None:
    plan = small_plan(small_graph(), "c")
    with pytest.raises(LneError, match="labels"):
        make_package("a", [plan], FRONT_END, ["one"])
    with pytest.raises(LneError, match="front end"):
        make_package("a", [plan], replace(FRONT_END, n_mfcc=9))
    with pytest.raises(LneError, match="targets"):
        make_package("a", [plan, plan])
    with pytest.raises(LneError, match="targets"):
        make_package("a", [])
