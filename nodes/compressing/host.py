"""Models in fixed point are for microcontrollers: applications for other machines do not compute in these numbers."""

from __future__ import annotations

from engine import Model, OssicleError
from nodes.quantize_params import FIXED_FILE


def refuse_fixed(model: Model) -> None:
    """Stop before a model in fixed point is run as the float network that its weights stand for.

    Raises:
        OssicleError: it is in fixed point.
    """
    if (model.path / FIXED_FILE).is_file():
        raise OssicleError(
            f"the model is in fixed point ({model.meta.precision}) for microcontrollers",
            "a model in float32 or affine int8",
            "Wire it into the firmware node, or set the quantize node's method to minmax, percentile or entropy",
        )
