"""Devices and numbers: what is chosen, refused, and put back afterwards."""

from __future__ import annotations

import pytest
import torch

from nodes.learn.compute import COMPILE_FLOPS, HALVES_FLOPS, Compute, compute_of, fits, switches
from nodes.learn.errors import LearnError


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where torch says that there is a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without one."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_the_processor_is_taken_where_there_is_no_gpu(no_gpu: None) -> None:
    assert compute_of("auto", clip_flops=1e12, shown_clips=1e9) == Compute("cpu", "float32")
    with pytest.raises(LearnError, match=r"the device is cuda.*Set device to auto or cpu"):
        compute_of("cuda")


def test_a_gpu_is_taken_and_its_numbers_fit_the_network(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compute_of("auto", clip_flops=HALVES_FLOPS / 2) == Compute("cuda:0", "tf32")
    assert compute_of("cuda", clip_flops=HALVES_FLOPS * 2) == Compute("cuda:0", "bfloat16")
    assert compute_of("cpu", clip_flops=HALVES_FLOPS * 2) == Compute("cpu", "float32")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
    old = compute_of("auto", clip_flops=HALVES_FLOPS * 2)
    assert old.numbers == "float16" and old.scales and old.is_cuda


def test_only_long_trainings_are_compiled(gpu: None) -> None:
    long = COMPILE_FLOPS / 3 / 1e6
    assert compute_of("auto", clip_flops=1e6, shown_clips=1.1 * long).is_compiled
    assert not compute_of("auto", clip_flops=1e6, shown_clips=0.9 * long).is_compiled
    assert compute_of("auto", compiled="on").is_compiled and compute_of("cpu", compiled="on").is_compiled
    assert not compute_of("auto", compiled="off", clip_flops=1e9, shown_clips=1e9).is_compiled
    assert not compute_of("cpu", clip_flops=1e9, shown_clips=1e9).is_compiled


def test_what_is_given_is_taken(gpu: None) -> None:
    found = compute_of("cuda", "float32", deterministic=False, clip_flops=1e9)
    assert found.numbers == "float32" and not found.is_deterministic


@pytest.mark.parametrize("numbers", ["float32", "tf32", "bfloat16"])
def test_switches_hold_for_a_training_and_are_put_back(numbers: str) -> None:
    before = _switches()
    with switches(Compute("cuda:0", numbers, is_deterministic=True)):  # type: ignore[arg-type]
        assert torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.benchmark
        assert torch.backends.cudnn.conv.fp32_precision == ("ieee" if numbers == "float32" else "tf32")
    assert _switches() == before
    with switches(Compute("cuda:0", "tf32", is_deterministic=False)):
        assert torch.backends.cudnn.benchmark and not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(KeyError), switches(Compute("cuda:0")):
        raise KeyError
    assert _switches() == before
    with switches(Compute("cpu")):
        assert _switches() == before


def _switches() -> tuple[object, ...]:
    cudnn = torch.backends.cudnn
    return (
        torch.are_deterministic_algorithms_enabled(), cudnn.benchmark, cudnn.conv.fp32_precision,
        cudnn.rnn.fp32_precision, torch.backends.cuda.matmul.fp32_precision,
    )  # fmt: skip


def test_data_stay_on_the_device_where_half_of_its_memory_holds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (1000, 5000))
    assert fits(499, Compute("cuda:0")) and not fits(501, Compute("cuda:0"))
    assert fits(10**15, Compute("cpu"))


def test_mixed_precision_is_for_forward_passes_alone() -> None:
    with Compute("cpu", "bfloat16").autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with Compute("cpu", "float32").autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
