"""A folder built elsewhere: other commands, compilers, processors and machines give the same numbers."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from lne_packages import (
    FRONT_END,
    LABELS,
    LEVELS,
    build,
    features,
    small_package,
    wanted,
)

from nodes.lne import TARGETS, LneError
from nodes.lne.build import compiler
from nodes.lne.cross import can_emulate, compiler_for, emulator
from nodes.lne.package import (
    open_package,
    sources,
    write_package,
)


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


PROCESSORS = {"Haswell": "avx2", "Nehalem": "c"}
"""Emulated processors without AVX-512, the second without AVX2: the level they use."""


@pytest.mark.skipif(shutil.which("qemu-x86_64-static") is None, reason="no emulator of x86-64 processors")
@pytest.mark.parametrize("processor", PROCESSORS)
def test_a_processor_without_avx512_is_given_the_level_it_can_run(
    folder: Path, recordings: Path, tmp_path: Path, processor: str
) -> None:
    """One build, made on this machine, run on a smaller one."""
    if LEVELS != ("avx512", "avx2", "c"):
        pytest.skip("this machine has no AVX-512 itself")
    program = '#include <stdio.h>\n#include "small.h"\nint main(void) { puts(small_used()); return 0; }\n'
    (tmp_path / "used.c").write_text(program)
    library = [f"-L{folder}", "-lsmall", f"-Wl,-rpath,{folder}"]
    subprocess.run([*compiler(), tmp_path / "used.c", f"-I{folder}", *library, "-o", tmp_path / "used"], check=True)
    done = subprocess.run(["qemu-x86_64-static", "-cpu", processor, tmp_path / "used"], capture_output=True, text=True)
    assert done.stdout.strip() == PROCESSORS[processor]
    heard = [*compiler(), folder / "example.c", f"-I{folder}", *library, "-lm", "-o", tmp_path / "hear"]
    subprocess.run(heard, check=True)
    word = recordings / "fsdd" / "recordings" / "7_theo_3.wav"
    command = ["qemu-x86_64-static", "-cpu", processor, tmp_path / "hear", word]
    here, there = (subprocess.run(part, capture_output=True, text=True).stdout for part in (command[3:], command))
    values = [[float(line.rsplit(maxsplit=2)[1]) for line in told.splitlines()] for told in (here, there)]
    assert len(values[0]) == len(LABELS)
    np.testing.assert_allclose(values[1], values[0], rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not can_emulate(TARGETS["aarch64"]), reason="no compiler for aarch64, or no emulator")
def test_a_package_for_another_machine_is_verified_under_an_emulator(tmp_path: Path) -> None:
    package = small_package("abroad", ("aarch64-dot", "aarch64", "c"))
    folder = write_package(tmp_path / "abroad", package)
    engine = json.loads((folder / "deployment.json").read_text())["engine"]
    assert [one["level"] for one in engine["verified"]] == ["aarch64-dot", "aarch64"]
    assert all(0 < one["error"] < 1e-5 for one in engine["verified"])
    assert (folder / "libabroad.so").read_bytes()[18:20] == b"\xb7\x00"  # e_machine of AArch64
    with pytest.raises(LneError, match="cannot be loaded"):
        open_package(folder)


@pytest.mark.skipif(not can_emulate(TARGETS["aarch64"]), reason="no compiler for aarch64, or no emulator")
@pytest.mark.parametrize(("processor", "level"), [("cortex-a53", "aarch64"), ("max", "aarch64-dot")])
def test_the_level_is_chosen_by_the_arm_processor(processor: str, level: str, tmp_path: Path) -> None:
    package = small_package("arm", ("aarch64-dot", "aarch64"))
    for name, text in sources(package).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "used.c").write_text(
        '#include <stdio.h>\n#include "arm.h"\nint main(void) { puts(arm_used()); return 0; }\n'
    )
    names = compiler_for(TARGETS[level])
    found = [part if "/" in part else part.replace("-gnu", "-musl") for part in names]
    command = (*found, "-O1", "-static", "-Wno-psabi")  # Zig links musl alone into the program
    flags = {one.name: list(one.plan.target.flags) for one in package.levels}
    units = [path for path in sorted(tmp_path.glob("*.c")) if path.name != "example.c"]
    for unit in units:
        subprocess.run(
            [*command, *flags.get(unit.stem, []), "-c", unit, "-o", unit.with_suffix(".o")], check=True, cwd=tmp_path
        )
    subprocess.run([*command, *(unit.with_suffix(".o") for unit in units), "-o", "used"], check=True, cwd=tmp_path)
    run = [*emulator(TARGETS[level]), "-cpu", processor, tmp_path / "used"]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip() == level


def test_constants_that_no_library_can_hold_are_refused_with_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.lne.package.contents.LARGEST_CONSTANTS_BYTES", 1 << 10)
    with pytest.raises(LneError, match=r"the constants of 1 level take [\d,]+ MiB") as refused:
        small_package("huge", LEVELS[-1:])
    assert "at most 0 MiB" in str(refused.value) and "onnxruntime" in refused.value.remedy
