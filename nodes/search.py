"""Node `ossicle.nas`: search for architectures, and for the settings of the optimiser before."""

from __future__ import annotations

from typing import NamedTuple

from engine import AudioSet, Context, FeatureSet, Model, OssicleError, Report, node
from nodes.search_params import NasParams


class Found(NamedTuple):
    """What a search gives."""

    model: Model
    report: Report


@node("ossicle.nas", version=1, category="Train", title="Architecture search", isolation="process")
def nas(features: FeatureSet, audio: AudioSet | None = None, *, params: NasParams, ctx: Context) -> Found:
    """Search for networks that are accurate and cheap at once, and give the best with a report of all trials.

    As S4 5.3 does: first the optimiser's settings on the base architecture, the best of which then holds; after that
    kernels and channels of every layer (and blocks in a row) by a tree-structured Parzen estimator, or NSGA-II, or
    chance. What is known before training (operations, parameters, memory, latency) is never searched by training:
    shapes over the limits are turned down untrained, and trials that cheaper ones beat are stopped early. A search that
    was stopped or killed goes on where it was; the same clips, parameters and seed give the same search (one at a
    time, and unless latency is measured).
    """
    from nodes.learn.errors import LearnError
    from nodes.nas.errors import NasError
    from nodes.searching.search import search
    from nodes.zoo import ZooError

    try:
        return Found(*search(features, audio, params, ctx))
    except (ZooError, LearnError, NasError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
