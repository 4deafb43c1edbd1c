"""Which clips formats are chosen on and errors are measured on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from engine import Context, FeatureSet, OssicleError
from nodes.evaluate import empty_subset, feature_blocks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WATCHED_CLIPS: Final = 32


def spread(features: FeatureSet, subset: str, clips: int) -> NDArray[np.bool_]:
    """A mask of at most `clips` rows spread evenly over a subset (tables lie sorted by class).

    Raises:
        OssicleError: the subset has no clips, or all of them are of one class although there are more.
    """
    import numpy as np

    from engine.audio import BACKGROUND, table_of

    table = table_of(features)
    rows = np.flatnonzero(table.subset != BACKGROUND if subset == "all" else table.subset == subset)
    if not len(rows):
        raise empty_subset(subset, table)
    mask = thinned(np.isin(np.arange(len(table)), rows), clips)
    found = sorted(set(table.label[mask].tolist()))
    if len(found) == 1 < len(features.meta.classes):
        raise OssicleError(
            f"all {int(mask.sum()):,} calibration clips are of one class ({found[0]})",
            f"clips of the {len(features.meta.classes)} classes, as ranges of the others would be unknown",
            "Raise clips, or give the subset clips of every class in partition",
        )
    return mask


def thinned(mask: NDArray[np.bool_], clips: int) -> NDArray[np.bool_]:
    """At most `clips` of the masked rows, evenly spread."""
    import numpy as np

    rows, kept = np.flatnonzero(mask), np.zeros(len(mask), bool)
    kept[rows[np.linspace(0, len(rows) - 1, min(clips, len(rows))).round().astype(int)]] = True
    return kept


def watched(features: FeatureSet, mask: NDArray[np.bool_], ctx: Context) -> Iterator[NDArray[np.float32]]:
    """Features of the masked rows in small blocks: every tensor of the network is held for one block at a time."""
    for block in feature_blocks(features, mask):
        for first in range(0, len(block), WATCHED_CLIPS):
            ctx.check()
            yield block[first : first + WATCHED_CLIPS]
