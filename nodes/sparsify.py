"""Make networks sparse: zeros among their weights, or fewer channels."""

from __future__ import annotations

import shutil
from typing import Any

from engine import AudioSet, Context, FeatureSet, Model, OssicleError, node
from nodes.sparsify_params import SparsifyParams


@node("ossicle.sparsify", version=1, category="Compress", isolation="process")
def sparsify(
    features: FeatureSet,
    model: Model | None = None,
    audio: AudioSet | None = None,
    *,
    params: SparsifyParams,
    ctx: Context,
) -> Model:
    """Make a network sparse while it learns: a trained one that is wired, or one from scratch.

    Either single weights become zero, few at first, up to a share of all, and stay so; or whole channels go in rounds,
    which leaves a smaller network of the same kind: its architecture and counts are new, its weights those that stay.
    `sparsity.json` holds both by layer, what is stored, and the accuracy before and after. A training that was stopped
    goes on where it was.
    """
    from nodes.learn.errors import LearnError
    from nodes.quant.errors import QuantError
    from nodes.zoo import ZooError

    try:
        return _sparsify(features, model, audio, params, ctx)
    except (ZooError, LearnError, QuantError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error


def _sparsify(
    features: FeatureSet, model: Model | None, audio: AudioSet | None, params: SparsifyParams, ctx: Context
) -> Model:
    from nodes.learn.head import inside
    from nodes.learn.threads import torch_threads
    from nodes.sparsifying.ground import ground_of, started
    from nodes.sparsifying.methods import METHODS
    from nodes.sparsifying.told import with_facts
    from nodes.training.result import export
    from nodes.training.session import tell_end

    ground = ground_of(features, model, audio, params, ctx)
    is_busy = ground.workers == 1 and not ground.compute.is_cuda
    with torch_threads(ctx.threads if is_busy else 1):
        result = METHODS[params.method](ground, started(ground))
        tell_end(result.learnt, ground.recipe, ctx)
        architecture: Any = inside(result.learnt.network).architecture
        made = export(result.learnt, architecture, features, ground.recipe, params.seed, ground.task, ctx)
        made = with_facts(made, ground, result)
    for place in ctx.scratch.iterdir():
        shutil.rmtree(place, ignore_errors=True)
    return made
