"""AReLU, the activation of DeepSpectrum's dense layer (S2 2.1; Chen et al. 2020)."""

import torch
from torch import Tensor, nn

_ALPHA, _BETA = 0.9, 2.0
_LEAST, _MOST = 0.01, 0.99


class AReLU(nn.Module):
    """(1 + sigmoid(beta)) x above zero, clip(alpha, 0.01, 0.99) x below.

    Both slopes are learnt, from alpha 0.9 and beta 2, as the activation's own paper does; S2's repository keeps them
    constant (slip 34): `is_learnt` False.
    """

    alpha: Tensor
    beta: Tensor

    def __init__(self, is_learnt: bool = True) -> None:
        super().__init__()
        for name, value in (("alpha", _ALPHA), ("beta", _BETA)):
            if is_learnt:
                self.register_parameter(name, nn.Parameter(torch.tensor(value)))
            else:
                self.register_buffer(name, torch.tensor(value), persistent=False)

    def slopes(self) -> tuple[Tensor, Tensor]:
        """Below and above zero."""
        return self.alpha.clamp(_LEAST, _MOST), 1.0 + self.beta.sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        below, above = self.slopes()
        return torch.where(x > 0, above * x, below * x)
