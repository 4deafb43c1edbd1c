"""What a model holds that cannot be generated, all of it at once, and the nearest form that can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from nodes.lne.errors import LneError


@dataclass(frozen=True)
class Problem:
    """One node that cannot be read."""

    node: str
    operator: str
    reason: str
    nearest: str

    def __str__(self) -> str:
        return f"{self.node} ({self.operator}): {self.reason}; nearest: {self.nearest}"


class UnsupportedModelError(LneError):
    """A model with nodes that cannot be read; `problems` lists them all."""

    def __init__(self, problems: Sequence[Problem], nodes: int) -> None:
        self.problems = tuple(problems)
        listed = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(
            f"{len(problems)} of {nodes} nodes cannot be generated:{listed}\n",
            "operators that are listed in nodes.lne.reading.operators",
            "Replace them by the nearest forms, or run the network with onnxruntime.",
        )


_NEAREST: Mapping[str, str] = MappingProxyType(
    {
        "ConvTranspose": "Resize (nearest) and Conv",
        "LayerNormalization": "BatchNormalization",
        "InstanceNormalization": "BatchNormalization",
        "GroupNormalization": "BatchNormalization",
        "LpNormalization": "BatchNormalization",
        "LRN": "BatchNormalization",
        "Gelu": "Swish (Sigmoid and Mul)",
        "Erf": "Swish (Sigmoid and Mul) in the place of Gelu",
        "Elu": "LeakyRelu",
        "Selu": "LeakyRelu",
        "Celu": "LeakyRelu",
        "Mish": "Swish (Sigmoid and Mul)",
        "Softplus": "Relu",
        "Softsign": "Tanh",
        "ThresholdedRelu": "Relu",
        "Einsum": "MatMul with a constant, Transpose and Reshape",
        "QLinearConv": "the QDQ form: QuantizeLinear and DequantizeLinear around Conv",
        "QLinearMatMul": "the QDQ form: QuantizeLinear and DequantizeLinear around MatMul",
        "ConvInteger": "the QDQ form: QuantizeLinear and DequantizeLinear around Conv",
        "MatMulInteger": "the QDQ form: QuantizeLinear and DequantizeLinear around MatMul",
        "DynamicQuantizeLinear": "QuantizeLinear with a constant scale",
        "Loop": "the loop written out, or GRU, LSTM and RNN",
        "Scan": "the loop written out, or GRU, LSTM and RNN",
        "If": "the branch that is taken",
        "STFT": "features computed outside of the network",
        "DFT": "features computed outside of the network",
        "MelWeightMatrix": "features computed outside of the network",
        "LpPool": "AveragePool",
        "MaxUnpool": "Resize (nearest)",
        "Attention": "GRU or convolutions over time",
        "TopK": "outputs before it",
        "ArgMin": "outputs before it",
        "NonMaxSuppression": "outputs before it",
    }
)


def nearest_to(operator: str, domain: str) -> tuple[str, str]:
    """Why an operator is not known, and what to use instead."""
    if domain not in ("", "ai.onnx"):
        return f"operators of the domain {domain} are not part of ONNX", _NEAREST.get(
            operator, "the same model without it"
        )
    return "the engine has no such operation", _NEAREST.get(operator, "convolutions, pools and activations")
