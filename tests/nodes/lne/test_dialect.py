"""Exponential, tanh and the activations built on them, for every vector width this machine has, against float64."""

from __future__ import annotations

import ctypes
import subprocess

import numpy as np
import pytest

from nodes.lne.build import compiler
from nodes.lne.dialect import activated, header, load, store
from nodes.lne.ir import Activation
from nodes.lne.reference import activate
from nodes.lne.target import TARGETS, Target, can_run

RUNNABLE = [target for target in TARGETS.values() if can_run(target) and target.name != "vnni"]
NAMES = [name for name in Activation if name is not Activation.NONE]
SPREAD = np.concatenate([np.linspace(-100, 100, 60_000), np.linspace(-1e-3, 1e-3, 4_000)]).astype(np.float32)


def _loop(name: str, width: int, call: str) -> str:
    body = store(width, "y + i", call)
    return f"void test_{name}(int n, const float *x, float *y) {{ for (int i = 0; i < n; i += {width}) {body} }}\n"


@pytest.fixture(scope="module", params=RUNNABLE, ids=lambda target: target.name)
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Target, ctypes.CDLL]:
    target, folder = request.param, tmp_path_factory.mktemp("dialect")
    value = load(target.vector, "x + i")
    loops = [_loop(name, target.vector, activated(name, target.vector, value)) for name in NAMES]
    loops += [_loop("exp", target.vector, f"exp{target.vector}({value})"), _loop("log", 1, "log1(x[i])")]
    (folder / "f.c").write_text(header(target) + "".join(loops))
    flags = ("-O2", "-Wno-psabi", "-Wall", "-Werror", "-fPIC", "-shared", *target.flags)
    files = (str(folder / "f.c"), "-lm", "-o", str(folder / "f.so"))
    subprocess.run([*compiler(), *flags, *files], check=True, timeout=120)
    return target, ctypes.CDLL(str(folder / "f.so"))


def _called(library: ctypes.CDLL, name: str, x: np.ndarray) -> np.ndarray:
    y = np.empty_like(x)
    pointer = ctypes.POINTER(ctypes.c_float)
    getattr(library, f"test_{name}")(len(x), x.ctypes.data_as(pointer), y.ctypes.data_as(pointer))
    return y


@pytest.mark.parametrize("name", NAMES)
def test_activations_keep_float_accuracy(name: Activation, compiled: tuple[Target, ctypes.CDLL]) -> None:
    wanted = activate(name, SPREAD.astype(np.float64))
    error = np.abs(_called(compiled[1], name, SPREAD) - wanted)
    assert (error <= 5e-7 * np.abs(wanted) + 1.2e-7).all()


def test_exponential_is_within_a_few_units_of_the_last_place(compiled: tuple[Target, ctypes.CDLL]) -> None:
    x = np.linspace(-86.9, 87.9, 200_000).astype(np.float32)
    wanted = np.exp(x.astype(np.float64))
    assert (np.abs(_called(compiled[1], "exp", x) / wanted - 1.0)).max() < 3e-7


def test_logarithm_of_sums(compiled: tuple[Target, ctypes.CDLL]) -> None:
    x = np.concatenate([np.linspace(1, 3, 50_000), np.geomspace(1, 1e30, 50_000)]).astype(np.float32)
    wanted = np.log(x.astype(np.float64))
    assert (np.abs(_called(compiled[1], "log", x) - wanted) <= 2e-7 * wanted + 1e-9).all()


def test_tanh_is_exact_near_zero_and_ends_at_one(compiled: tuple[Target, ctypes.CDLL]) -> None:
    x = np.array([1e-30, -1e-6, 3e-4, 0.5, 8.9, 50.0, -50.0, np.inf] * 2, np.float32)
    wanted = np.tanh(x.astype(np.float64))
    assert (np.abs(_called(compiled[1], "tanh", x) / wanted - 1.0)).max() < 5e-7


def test_not_a_number_is_not_hidden_by_the_limits(compiled: tuple[Target, ctypes.CDLL]) -> None:
    x = np.full(16, np.nan, np.float32)
    for name in (Activation.TANH, Activation.SIGMOID, Activation.SWISH):
        assert np.isnan(_called(compiled[1], name, x)).all()
