"""A network's folder: the same numbers wherever and however it is built, and nothing half-made."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lne_packages import FRONT_END, LABELS, LEVELS, small_graph, small_package, small_plan
from numpy.typing import NDArray

from nodes.dsp.frontend import compute
from nodes.lne import TARGETS, LneError
from nodes.lne.build import compiler
from nodes.lne.cross import can_emulate
from nodes.lne.package import (
    Check,
    Order,
    make_package,
    open_package,
    package_name,
    sources,
    write_below,
    write_package,
)
from nodes.lne.package.description import write_description
from nodes.lne.package.library import ALIGN_BYTES
from nodes.lne.reference import evaluate

Floats = NDArray[np.float32]
SIZES = {"input": (1, *FRONT_END.shape[:1], 1, FRONT_END.shape[1]), "output": (1, len(LABELS), 1, 1)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written package, with every level this machine can run."""
    return write_package(tmp_path_factory.mktemp("written") / "small", small_package(), Order(network=b"onnx bytes"))


def features(seed: int = 1) -> Floats:
    return np.random.default_rng(seed).standard_normal(SIZES["input"]).astype(np.float32)


def wanted(values: Floats, seed: int = 0) -> Floats:
    graph = small_graph(seed=seed)
    return evaluate(graph, values.astype(np.float64))[graph.result].reshape(SIZES["output"]).astype(np.float32)


def speech(recordings: Path) -> Floats:
    samples: Floats = soundfile.read(recordings / "fsdd" / "recordings" / "7_theo_3.wav", dtype="float32")[0]
    return samples


# ---- what is in it


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


# ---- built elsewhere


def build(folder: Path, name: str, way: str) -> None:
    """Build a folder's library as a user would."""
    if way == "cmake" and shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    units = [path.name for path in folder.glob(f"{name}*.c")]
    there = f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={folder}"
    commands = {
        "plain cc": [["cc", "-O3", "-shared", "-fPIC", *units, "-lm", "-o", f"lib{name}.so"]],
        "make": [["make", f"lib{name}.so"]],
        "cmake": [["cmake", there, "-B", "build"], ["cmake", "--build", "build", "--target", name]],
    }
    for command in commands[way]:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("way", ["plain cc", "make", "cmake"])
def test_built_elsewhere_the_numbers_are_the_same(folder: Path, tmp_path: Path, way: str) -> None:
    """The folder is carried away without its library; every compiler's command the user may think of."""
    if way == "cmake" and shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    away = shutil.copytree(
        folder, tmp_path / "some where" / "else", ignore=shutil.ignore_patterns("*.so", "model.onnx")
    )
    units = [path.name for path in away.glob("small*.c")]
    commands = {
        "plain cc": [["cc", "-O3", "-shared", "-fPIC", *units, "-lm", "-o", "libsmall.so"]],
        "make": [["make", "libsmall.so"]],
        "cmake": [["cmake", "-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=.", "."], ["cmake", "--build", ".", "--target", "small"]],
    }
    for command in commands[way]:
        done = subprocess.run(command, cwd=away, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    ours, theirs = open_package(folder), open_package(away)
    assert theirs.levels == LEVELS
    for level in LEVELS:
        ours.use(level)
        theirs.use(level)
        np.testing.assert_allclose(theirs(features()), ours(features()), rtol=2e-6, atol=1e-6)
    samples = np.random.default_rng(2).uniform(-1, 1, FRONT_END.clip_samples).astype(np.float32)
    np.testing.assert_allclose(theirs.features(samples), ours.features(samples), rtol=2e-6, atol=2e-6)


def test_a_compiler_for_another_machine_still_builds_the_plain_level(tmp_path: Path) -> None:
    """Levels whose instructions the compiler may not use are left out, and the library says so."""
    for name, text in sources(small_package(levels=("avx512", "c"))).items():
        (tmp_path / name).write_text(text)
    level = (tmp_path / "small_avx512.c").read_text()
    (tmp_path / "small_avx512.c").write_text(level.replace("__x86_64__", "__another_machine__"))
    units = [path.name for path in tmp_path.glob("small*.c")]
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", *units, "-lm", "-o", "libsmall.so"], cwd=tmp_path, check=True)
    library = ctypes.CDLL(str(tmp_path / "libsmall.so"))
    library.small_used.restype = ctypes.c_char_p
    assert library.small_used() == b"c"
    assert library.small_use(b"avx512") == -1


def test_large_constants_are_a_file_of_bytes_that_every_build_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As text, the constants of a large network would take the compiler minutes."""
    monkeypatch.setattr("nodes.lne.package.code.LARGEST_TEXT_BYTES", 1000)
    folder = write_package(tmp_path / "large", small_package("large", LEVELS[-1:]))
    level = f"large_{LEVELS[-1]}_weights"
    assert (folder / f"{level}.bin").stat().st_size > 1000
    assert ".incbin" in (folder / f"{level}.c").read_text()
    np.testing.assert_allclose(open_package(folder)(features()), wanted(features()), rtol=1e-4, atol=1e-5)
    for way in ("plain cc", "cmake"):
        away = shutil.copytree(folder, tmp_path / way, ignore=shutil.ignore_patterns("*.so"))
        build(away, "large", way)
        np.testing.assert_allclose(
            open_package(away)(features()), open_package(folder)(features()), rtol=2e-6, atol=1e-6
        )


@pytest.mark.skipif(not can_emulate(TARGETS["aarch64"]), reason="no compiler for aarch64, or no emulator")
def test_a_package_for_another_machine_is_verified_under_an_emulator(tmp_path: Path) -> None:
    package = small_package("abroad", ("aarch64", "c"))
    folder = write_package(tmp_path / "abroad", package)
    engine = json.loads((folder / "deployment.json").read_text())["engine"]
    assert [one["level"] for one in engine["verified"]] == ["aarch64"]
    assert 0 < engine["verified"][0]["error"] < 1e-5
    assert (folder / "libabroad.so").read_bytes()[18:20] == b"\xb7\x00"  # e_machine of AArch64
    with pytest.raises(LneError, match="cannot be loaded"):
        open_package(folder)


# ---- the C functions


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


# ---- the example


@pytest.fixture(scope="module")
def example(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder's example with the address and undefined-behaviour sanitizers in all of it."""
    away = shutil.copytree(folder, tmp_path_factory.mktemp("sanitized") / "small")
    flags = "-O1 -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Werror -Wno-psabi"
    done = subprocess.run(["make", f"CFLAGS={flags}", "LDFLAGS=-fsanitize=address,undefined", "example"],
                          cwd=away, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return away / "example"


def run(example: Path, *words: object) -> tuple[int, str, str]:
    done = subprocess.run([example, *map(str, words)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "PCM_U8", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_example_hears_wav_files_as_python_does(
    example: Path, folder: Path, recordings: Path, tmp_path: Path, subtype: str, channels: int
) -> None:
    samples = np.tile(speech(recordings)[:1900, None], channels) * np.linspace(0.5, 1, channels, dtype=np.float32)
    path = tmp_path / "clip.wav"
    soundfile.write(path, samples, 8000, subtype=subtype, format="WAVEX" if channels > 2 else "WAV")
    heard = np.zeros(2000, np.float32)
    heard[:1900] = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
    logits = open_package(folder)(compute(FRONT_END, heard[None])[0]).ravel()
    code, out, _ = run(example, path)
    assert code == 0
    told = [line.rsplit(maxsplit=2) for line in out.splitlines()]
    assert [label for label, _, _ in told] == list(LABELS)
    np.testing.assert_allclose([float(value) for _, value, _ in told], logits, rtol=1e-4, atol=1e-4)
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose([float(value) for _, _, value in told], shares, atol=1e-4)


def test_the_example_hears_a_stream(example: Path, folder: Path, recordings: Path) -> None:
    code, out, _ = run(example, "--stream", recordings / "fsdd" / "recordings" / "7_theo_3.wav")
    assert code == 0
    library, samples = open_package(folder), speech(recordings)
    lines = out.splitlines()
    assert len(lines) == len(samples) // 160 - 13 + 1
    for index, line in enumerate(lines):
        logits = library(library.features(samples[index * 160 : index * 160 + 2000])).ravel()
        assert LABELS[int(logits.argmax())] in line
        assert float(line.split()[0]) == pytest.approx((index + 13) * 0.02)


def _broken(recordings: Path) -> dict[str, tuple[bytes, str]]:
    good = (recordings / "fsdd" / "recordings" / "7_theo_3.wav").read_bytes()
    return {
        "empty": (b"", "no WAV file"),
        "foreign": (b"OggS" + bytes(100), "no WAV file"),
        "header alone": (good[:12], "no samples"),
        "no format": (good[:12] + good[36:], "format is not told"),
        "A-law": (good[:20] + b"\x06" + good[21:], "neither PCM nor"),
        "no channels": (good[:22] + b"\0\0" + good[24:], "neither PCM nor"),
        "another rate": (good[:24] + (16000).to_bytes(4, "little") + good[28:], "rate is not 8000"),
    }


def test_the_example_refuses_what_is_no_wav_file(example: Path, recordings: Path, tmp_path: Path) -> None:
    for name, (content, words) in _broken(recordings).items():
        path = tmp_path / f"{name}.wav"
        path.write_bytes(content)
        code, out, err = run(example, path)
        assert (code, out) == (1, ""), name
        assert words in err, name
    assert run(example, tmp_path / "missing.wav")[::2] == (1, f"{tmp_path}/missing.wav: it cannot be opened\n")
    assert run(example)[0] == 2


def test_the_example_hears_what_there_is_of_a_file_cut_short(example: Path, recordings: Path, tmp_path: Path) -> None:
    good = (recordings / "fsdd" / "recordings" / "7_theo_3.wav").read_bytes()
    path = tmp_path / "short.wav"
    path.write_bytes(good[: 44 + 2 * 1000])
    assert run(example, path)[0] == 0


def test_a_network_without_a_front_end_has_an_example_for_raw_floats(tmp_path: Path) -> None:
    package = make_package("raw", [small_plan(small_graph(), "c")])
    folder = write_package(tmp_path / "raw", package)
    subprocess.run(["make", "example"], cwd=folder, check=True, capture_output=True)
    done = subprocess.run([folder / "example"], input=features().tobytes(), capture_output=True)
    found = [float(line) for line in done.stdout.decode().split()]
    np.testing.assert_allclose(found, wanted(features()).ravel(), rtol=1e-4, atol=1e-5)
    short = subprocess.run([folder / "example"], input=b"1234", capture_output=True)
    assert short.returncode == 1
    assert b"expected 88 floats" in short.stderr
    with pytest.raises(LneError, match="no front end"):
        open_package(folder).stream()


# ---- whole or not there


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


# ---- names


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
