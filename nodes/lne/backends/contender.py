"""What a backend gives: a call as cheap as the engine allows, and the output of the last one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Contender:
    """A network opened by an engine, with its input in place.

    Attributes:
        call: compute once.
        output: what the last call computed, in any shape.
        kept: what must stay alive meanwhile.
        give: puts another input, of the first one's shape, in its place; an engine without it is only timed.
    """

    call: Callable[[], object]
    output: Callable[[], Floats]
    kept: tuple[object, ...] = ()
    give: Callable[[Floats], object] | None = None


Open = Callable[..., Contender]
"""open(model: Path, values: Floats) -> Contender. The model is ONNX of static shape, `values` are its input.
Files an engine converts it to go beside it."""
