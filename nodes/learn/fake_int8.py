"""Learn with 8-bit weights and activations, so that the int8 model made later loses less.

Numbers are rounded as nodes/quant will store them and stay float: weights to int8 with a scale per output channel,
every layer's output to uint8 with one scale and zero point. The gradient passes the rounding unchanged, and not at all
where a value is clipped (straight-through; Jacob et al. 2018, "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", section 3). A norm that is later folded into its convolution scales whole
output channels, which leaves the rounding of that channel as it is; so nothing needs to be folded here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nodes.learn.head import inside
from nodes.learn.precondition import Scaled, first_kernel, kernel_factor
from nodes.zoo.network import Network
from nodes.zoo.plan import plan

RANGE_DECAY: Final = 0.99
"""Of the running mean of an activation's extremes."""
LEAST_STEP: Final = 1e-12
PRODUCTS: Final = (nn.Conv1d, nn.Conv2d, nn.Linear)


class Rounding(nn.Module):
    """Rounds a tensor to 256 codes between its usual extremes, which it learns while training."""

    low: Tensor
    high: Tensor
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, values: Tensor) -> Tensor:
        """The nearest code of every value, as float; the range always holds zero, as padding needs it exact."""
        if self.training:
            self._watch(values.detach())
        step = ((self.high - self.low) / 255.0).clamp(min=LEAST_STEP)
        zero = (-self.low / step).round().to(torch.int32)
        rounded: Tensor = torch.fake_quantize_per_tensor_affine(values.float(), step, zero, 0, 255)
        return rounded.to(values.dtype)

    @torch.no_grad()
    def _watch(self, values: Tensor) -> None:
        share = (9.0 / (9.0 + self.seen)).clamp(min=1.0 - RANGE_DECAY)  # the first batches count more
        self.low.lerp_(values.amin().float().clamp(max=0.0), share)
        self.high.lerp_(values.amax().float().clamp(min=0.0), share)
        self.seen += 1


class InInt8(nn.Module):
    """A network of the zoo, plain or Scaled, that computes in rounded numbers; `network` stays float and whole."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.places = _places(inside(network))
        self.input, self.roundings = Rounding(), nn.ModuleList(Rounding() for _ in self.places)
        self.kernels = [name for name, module in network.named_modules() if isinstance(module, PRODUCTS)]

    def forward(self, features: Tensor) -> Tensor:
        """Logits (batch, classes)."""
        inner = inside(self.network)
        with ExitStack() as hooks:
            for name, rounding in zip(self.places, self.roundings, strict=True):
                hooks.enter_context(inner.get_submodule(name).register_forward_hook(_rounds(rounding)))
            logits: Tensor = functional_call(self.network, self._weights(), (self.input(features),))
        return logits

    def _weights(self) -> dict[str, Tensor]:
        """Rounded kernels by name. The first kernel is rounded as it will be once the features' scale is in it."""
        inner = inside(self.network)
        first = first_kernel(inner)
        factor = kernel_factor(inner, self.network.scale) if isinstance(self.network, Scaled) else None
        kernels = {f"{name}.weight": cast(Tensor, self.network.get_submodule(name).weight) for name in self.kernels}
        return {
            name: rounded(kernel) if factor is None or kernel is not first else rounded(kernel * factor) / factor
            for name, kernel in kernels.items()
        }


def rounded(kernel: Tensor) -> Tensor:
    """A kernel (out, ...) with every output channel rounded to -127 ... 127 steps of its largest magnitude."""
    with torch.no_grad():
        steps = (kernel.flatten(1).abs().amax(1).float() / 127.0).clamp(min=LEAST_STEP)
        zeros = torch.zeros_like(steps, dtype=torch.int32)
    found: Tensor = torch.fake_quantize_per_channel_affine(kernel.float(), steps, zeros, 0, -127, 127)
    return found.to(kernel.dtype)


def _places(network: Network) -> list[str]:
    """Modules whose outputs are stored as codes: those of the layers."""
    named = dict(network.named_modules())
    layers = plan(network.architecture).layers
    return [layer.name for layer in layers if layer.op != "drop" and layer.name in named]


def _rounds(rounding: nn.Module) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """A hook that rounds a module's output."""
    return lambda _module, _inputs, output: rounding(output)
