"""Zeros that grow, channels that go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from torch import Tensor, nn

from nodes.learn.head import inside
from nodes.learn.loop import Learnt
from nodes.learn.precondition import Scaled, folded
from nodes.learn.recipe import Recipe
from nodes.quant.prune import Plan, Sparse
from nodes.quant.schedule import Schedule, stages
from nodes.quant.structured import chosen_sizes, cost_of, magnitudes, narrowed, taylor
from nodes.quant.structured_groups import channels_of
from nodes.sparsifying.ground import Ground
from nodes.sparsifying.learning import full_score, learn, score_of
from nodes.zoo.plan import plan

Json = dict[str, Any]
SCORED_BATCHES: Final = 20
"""Batches of training clips that tell what channels are worth."""
DENSE_SHARE: Final = 0.5
"""Of a training from scratch, before the first channels go."""
ROUNDS_SHARE: Final = 0.5
"""Of what then remains, shared by the rounds but the last, which takes the rest."""


@dataclass(frozen=True)
class Result:
    """What was learnt, and what is to be told about it beside the layers; the network takes plain features."""

    learnt: Learnt
    told: Json


# ---- single weights


def zeroed(ground: Ground, network: nn.Module) -> Result:
    """Zeros that grow during one training."""
    params = ground.params
    begin, end = (int(share * (ground.steps - 1)) for share in (params.begin, params.end))
    schedule = Schedule(params.target, begin, max(end, begin), params.updates)
    before = score_of(ground, network) if ground.model is not None else None
    learner = Sparse(network, Plan(schedule, params.scope, tuple(params.dense_layers)))
    learnt = learn(ground, learner, 0, ground.recipe, 0)
    sparse = learnt.network
    assert isinstance(sparse, Sparse)
    if sparse.complete():
        ground.ctx.log("the training ended before the zeros had grown: the rest are set now, unlearnt", "warning")
        learnt = replace(learnt, score=full_score(ground, sparse))
    return Result(replace(learnt, network=folded(sparse.stripped())), {"before": before, "rounds": []})


# ---- channels


def narrowed_in_rounds(ground: Ground, network: nn.Module) -> Result:
    """Channels that go in rounds, with learning after each."""
    params, whole = ground.params, cost_of(ground.architecture, ground.params.saved)
    done: list[Learnt] = []
    if ground.model is None:
        done.append(learn(ground, network, 0, _part(ground, DENSE_SHARE), 0))
        network = done[-1].network
    before, rounds = score_of(ground, network), []
    for number, share in enumerate(stages(params.target, params.rounds), 1):
        now = cost_of(inside(network).architecture, params.saved)  # type: ignore[arg-type]
        network, told = _thinned(ground, network, 1.0 - (1.0 - share) * whole / now)
        pruned = score_of(ground, network)
        done.append(learn(ground, network, number, _part(ground, _share(ground, number)), _steps(done)))
        network = done[-1].network
        rounds.append({**told, "share": share, "pruned": pruned, "learnt": score_of(ground, network)})
    learnt = replace(
        done[-1],
        network=folded(network),
        step=_steps(done),
        steps=_steps(done),
        curves=tuple(point for each in done for point in each.curves),
        resumed_at=sum(each.resumed_at for each in done),
    )
    return Result(learnt, {"before": before, "rounds": rounds})


def _steps(done: Sequence[Learnt]) -> int:
    return sum(each.steps for each in done)


def _share(ground: Ground, number: int) -> float:
    """Share of the training after a round: most after the last."""
    rounds = ground.params.rounds
    left = 1.0 if ground.model is not None else 1.0 - DENSE_SHARE
    early = ROUNDS_SHARE / rounds
    return left * (early if number < rounds else 1.0 - early * (rounds - 1))


def _part(ground: Ground, share: float) -> Recipe:
    """The recipe over a share of the whole training."""
    return replace(ground.recipe, steps=max(round(share * ground.steps), 1))


def _thinned(ground: Ground, network: nn.Module, target: float) -> tuple[nn.Module, Json]:
    """The network without the channels that matter least, and what went."""
    params, inner = ground.params, inside(network)
    channels = channels_of(plan(inner.architecture))
    is_taylor = params.criterion == "taylor"
    scores = taylor(network, inner, channels, _batches(ground)) if is_taylor else magnitudes(inner, channels)
    architecture: Any = inner.architecture
    sizes = chosen_sizes(
        architecture, channels, scores, max(target, 0.0),
        saved=params.saved, spread=params.spread, limits=params.limits(),
    )  # fmt: skip
    made = narrowed(inner, channels, scores, sizes)
    smaller = Scaled(made, network.scale) if isinstance(network, Scaled) else made
    gone = sum((part.size - size) * len(part.groups) for part, size in sizes.items())
    ground.ctx.log(f"{gone} channels go: {', '.join(made.architecture['blocks'])}")
    return smaller, {"channels_gone": gone, "blocks": list(made.architecture["blocks"])}


def _batches(ground: Ground) -> Iterator[tuple[Tensor, Tensor]]:
    """Training clips with their targets, on the processor."""
    for step in range(SCORED_BATCHES):
        batch = ground.source.batch(step, is_calm=True).to("cpu")
        yield batch.features, batch.targets


METHODS: Final[Mapping[str, Callable[[Ground, nn.Module], Result]]] = MappingProxyType(
    {"weights": zeroed, "channels": narrowed_in_rounds}
)
"""By the name that the parameter `method` has."""
