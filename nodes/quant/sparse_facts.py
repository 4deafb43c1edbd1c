"""What sparsity is worth, by layer and in bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from nodes.quant.prune import kernels_of
from nodes.zoo.count import LayerRow, describe
from nodes.zoo.network import Network

Json = dict[str, Any]
STORED_BITS: Final = (32, 16, 8)


def layer_rows(before: Mapping[str, Any], network: Network) -> list[Json]:
    """Layers with variables: weights and zeros of their kernels, parameters and operations before and now."""
    kernels = kernels_of(network)
    pairs = zip(describe(before).layers, describe(network.architecture).layers, strict=True)
    return [_row(was, now, kernels) for was, now in pairs if was.params]


def _row(was: LayerRow, now: LayerRow, kernels: Mapping[str, Tensor]) -> Json:
    own = [value for name, value in kernels.items() if now.weights and name.startswith(f"{now.name}.")]
    return {
        "name": now.name,
        "op": now.op,
        "channels_before": was.out_shape[0],
        "channels": now.out_shape[0],
        "weights": sum(value.numel() for value in own),
        "zeros": sum(int((value == 0).sum()) for value in own),
        "params_before": was.params,
        "params": now.params,
        "flops_before": was.flops,
        "flops": now.flops,
    }


def storage(parameters: int, weights: int, zeros: int) -> list[Json]:
    """Bytes of all parameters at several widths: all stored, or one bit for every weight and those that are not zero.

    The papers store zeros too (S0 table 4); a reader of the second form needs no more than the bits.
    """
    return [
        {
            "bits": bits,
            "dense_bytes": math.ceil(parameters * bits / 8),
            "sparse_bytes": math.ceil((parameters - zeros) * bits / 8) + math.ceil(weights / 8),
        }
        for bits in STORED_BITS
    ]
