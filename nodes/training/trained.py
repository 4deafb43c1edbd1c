"""Model artifacts as networks to learn from or to go on from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine import Model, OssicleError

if TYPE_CHECKING:
    from nodes.zoo.network import Network

WEIGHTS_FILE, ARCHITECTURE_FILE = "weights.safetensors", "architecture.json"


def network_of(model: Model) -> Network:
    """The network of a model with its weights, in inference mode.

    Raises:
        OssicleError: the model is no longer float32, or has no weights beside its ONNX file.
        ZooError: weights and architecture do not belong together.
    """
    from nodes.zoo import build
    from nodes.zoo.weights import load_weights

    if model.meta.precision != "float32":
        raise OssicleError(
            f"the model is {model.meta.precision}",
            "a float32 model, as a training leaves it",
            "Wire the trained model itself, not the quantized one",
        )
    network = build(model.json(ARCHITECTURE_FILE))
    load_weights(network, model.file(WEIGHTS_FILE))
    return network.eval()


def digest_of(model: Model | None) -> str:
    """sha256 (hex) of a model's architecture and weights; "" without a model."""
    if model is None:
        return ""
    digest = hashlib.sha256(model.file(ARCHITECTURE_FILE).read_bytes())
    with model.file(WEIGHTS_FILE).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_classes(model: Model, classes: Sequence[str], role: str) -> None:
    """Make sure that a model tells exactly these classes apart, in any order; `role` is what errors call the model.

    Raises:
        OssicleError: it has others; lists both, and what differs.
    """
    missing = [name for name in classes if name not in model.meta.classes]
    foreign = [name for name in model.meta.classes if name not in classes]
    if not missing and not foreign:
        return
    parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has also {', '.join(foreign)}"] * bool(foreign)
    raise OssicleError(
        f"the {role} knows the classes {', '.join(model.meta.classes)}: it {' and '.join(parts)}",
        f"the classes of the features: {', '.join(classes)}",
        f"Train the {role} on clips of the same classes, or wire another one",
    )
