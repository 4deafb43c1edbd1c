"""Where steps are computed and in which numbers: device, precision, compiled or not, and torch's switches for that."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from torch import nn

from nodes.learn.errors import LearnError
from nodes.learn.layout import channels_last, usual
from nodes.learn.names import Compile, Device, Precision

Numbers = Literal["float32", "tf32", "bfloat16", "float16"]

HALVES: Final[Mapping[str, torch.dtype]] = {"bfloat16": torch.bfloat16, "float16": torch.float16}
WORKSPACE: Final = ":4096:8"
"""What cuBLAS needs to give the same bits every time."""
HALVES_FLOPS: Final = 20e6
"""Above this many operations per clip, half the bits save more than their conversions cost."""
COMPILE_FLOPS: Final = 2e16
"""Operations of a training, minutes on a large GPU, above which compiling (20 s to 3 min) is paid back."""


@dataclass(frozen=True)
class Compute:
    """How the arithmetic of a training is done.

    Attributes:
        device: a torch device; weights, batches and validation clips lie there.
        numbers: float32 as it is; tf32 rounds factors of products to 10 bits (CUDA); the halves are mixed precision:
            products in 16 bits, weights and norms in 32. float16 scales the loss against underflow.
        is_deterministic: the same bits on every run on the same kind of device, at some cost on CUDA.
        is_compiled: let torch.compile fuse the network's operations.
    """

    device: str = "cpu"
    numbers: Numbers = "float32"
    is_deterministic: bool = True
    is_compiled: bool = False

    @property
    def is_cuda(self) -> bool:
        """Whether work is queued for a GPU, where waiting for a number costs speed."""
        return torch.device(self.device).type == "cuda"

    @property
    def scales(self) -> bool:
        """Whether the loss must be scaled so that small gradients survive."""
        return self.numbers == "float16"

    def autocast(self) -> AbstractContextManager[object]:
        """Mixed precision for the length of a forward pass."""
        if (half := HALVES.get(self.numbers)) is None:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, half, cache_enabled=False)  # a cache breaks CUDA graphs


CPU: Final = Compute()


def compute_of(
    device: Device,
    precision: Precision = "auto",
    compiled: Compile = "auto",
    *,
    deterministic: bool = True,
    clip_flops: float = 0.0,
    shown_clips: float = 0.0,
) -> Compute:
    """Choose what is left to us: a GPU where there is one; see HALVES_FLOPS and COMPILE_FLOPS for the rest.

    Args:
        clip_flops: operations of the network for one clip.
        shown_clips: clips shown in the whole training.

    Raises:
        LearnError: a GPU is asked for and torch finds none.
    """
    found = torch.cuda.is_available()
    if device == "cuda" and not found:
        reason = "finds no GPU" if torch.version.cuda else "is built without CUDA"
        raise LearnError(
            f"the device is cuda, and torch {torch.__version__} {reason}",
            "a GPU with a driver that torch can use",
            "Set device to auto or cpu, or install torch with CUDA",
        )
    is_cuda = found and device != "cpu"
    is_long = is_cuda and 3 * clip_flops * shown_clips > COMPILE_FLOPS  # a backward pass costs two forward ones
    return Compute(
        device=f"cuda:{torch.cuda.current_device()}" if is_cuda else "cpu",
        numbers=_numbers(is_cuda, clip_flops) if precision == "auto" else precision,
        is_deterministic=deterministic,
        is_compiled=compiled == "on" or (compiled == "auto" and is_long),
    )


def _numbers(is_cuda: bool, clip_flops: float) -> Numbers:
    if not is_cuda:
        return "float32"
    if clip_flops < HALVES_FLOPS:
        return "tf32"
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"


@contextmanager
def switches(compute: Compute) -> Iterator[None]:
    """torch's switches of the whole process for the length of a training; as they were afterwards."""
    if not compute.is_cuda:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", WORKSPACE)  # read when the first product is computed
    wanted = list(_wanted(compute))
    before = [(place, name, getattr(place, name)) for place, name, _ in wanted]
    rule = (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled())
    try:
        torch.use_deterministic_algorithms(compute.is_deterministic, warn_only=True)
        _set(wanted)
        yield
    finally:
        torch.use_deterministic_algorithms(rule[0], warn_only=rule[1])
        _set(before)


def _wanted(compute: Compute) -> Iterator[tuple[Any, str, object]]:
    """Switches as (where, name, value)."""
    rounding = "ieee" if compute.numbers == "float32" else "tf32"
    cudnn: Any = torch.backends.cudnn
    yield cudnn, "benchmark", not compute.is_deterministic
    yield torch.utils.deterministic, "fill_uninitialized_memory", False  # our kernels write all they allocate
    for place in (cudnn.conv, cudnn.rnn, torch.backends.cuda.matmul):
        yield place, "fp32_precision", rounding


def _set(switches: Iterable[tuple[Any, str, object]]) -> None:
    for place, name, value in switches:
        setattr(place, name, value)


def seed(number: int, compute: Compute) -> None:
    """Seed the generator that dropout draws from: that of the device alone, as torch.manual_seed asks every backend."""
    if compute.is_cuda:
        torch.cuda.manual_seed(number)
    else:
        torch.default_generator.manual_seed(number)


def placed(network: nn.Module, compute: Compute) -> None:
    """Move a network to its device, in the order of numbers that is fastest there."""
    network.to(compute.device)
    channels_last(network)


def brought_back(network: nn.Module) -> None:
    """Move a network to the processor, in the usual order of numbers."""
    network.to("cpu")
    usual(network)


def fits(size_bytes: int, compute: Compute) -> bool:
    """Whether so much data may stay on the device beside the network: half of what is free there."""
    return not compute.is_cuda or size_bytes < torch.cuda.mem_get_info(compute.device)[0] // 2
