"""Training in phases with part of the network frozen, as S2 fine-tunes."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from nodes.learn import checkpoint
from nodes.learn.errors import LearnError
from nodes.learn.head import base_of, inside
from nodes.learn.loop import Learnt, Moment, Point, Score, Session, Trial, train
from nodes.learn.objective import Objective, cross_entropy
from nodes.learn.recipe import Recipe
from nodes.learn.source import Batch, Source

DONE: Final = "done"
"""Folder, within a phase's own, of what it came to."""


class Frozen(nn.Module):
    """A network some of whose layers stay as they are: no gradient; norms and dropout in inference mode."""

    def __init__(self, network: nn.Module, layers: Iterable[str]) -> None:
        super().__init__()
        self.network, self.layers = network, tuple(layers)
        network.requires_grad_(True)
        for module in self._frozen():
            module.requires_grad_(False)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (batch, classes)."""
        logits: Tensor = self.network(features)
        return logits

    def train(self, mode: bool = True) -> Frozen:
        """Set the mode of all layers but the frozen ones."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def _frozen(self) -> list[nn.Module]:
        inner = inside(self.network)
        return [inner.get_submodule(name) for name in self.layers]


def first_layers(network: nn.Module, count: int) -> tuple[str, ...]:
    """Names of the first `count` layers of a network's base.

    Raises:
        LearnError: the base has fewer.
    """
    base = base_of(network)
    if count > len(base):
        raise LearnError(
            f"{count} layers shall stay frozen",
            f"at most {len(base)}, the layers before the head (the last is {base[-1]})",
            "Lower frozen_layers, or leave it empty and give their share",
        )
    return tuple(base[:count])


@dataclass(frozen=True)
class Phase:
    """One stretch of a training: which layers stay frozen, by which recipe the others learn, and how it runs."""

    frozen: tuple[str, ...]
    recipe: Recipe
    session: Session


def train_phases(
    network: nn.Module,
    source: Source,
    trial: Trial | None,
    phases: Sequence[Phase],
    watch: Callable[[Moment], None] = lambda _moment: None,
    objective: Objective = cross_entropy,
) -> Learnt:
    """Train in phases, each from the weights that the one before selected; steps and curves go on.

    The result is the phase that is best on the validation clips (of equals the later), or the last one where the recipe
    keeps the last weights. A phase that is done is not learnt again after a stop.

    Raises:
        LearnError: as the training loop.
    """
    lengths = [phase.recipe.length(source.steps_per_epoch) for phase in phases]
    done: list[Learnt] = []
    for index, phase in enumerate(phases):
        behind = sum(learnt.steps for learnt in done)
        tell = partial(_tell, watch=watch, behind=behind, ahead=sum(lengths[index + 1 :]), source=source)
        learnt = _phase(network, Later(source, sum(lengths[:index])), trial, phase, tell, objective)
        network.load_state_dict(learnt.network.state_dict())
        done.append(replace(learnt, network=copy.deepcopy(network), step=behind + learnt.step))
    chosen = done[-1] if phases[-1].recipe.selection == "last" else max(reversed(done), key=_merit)
    steps = [sum(learnt.steps for learnt in done[:index]) for index in range(len(done))]
    curves = [
        _moved(point, behind, source) for learnt, behind in zip(done, steps, strict=True) for point in learnt.curves
    ]
    return Learnt(
        chosen.network.requires_grad_(True).eval(),
        chosen.score,
        chosen.step,
        steps=sum(learnt.steps for learnt in done),
        curves=tuple(curves),
        resumed_at=sum(learnt.resumed_at for learnt in done),
    )


def forget(phases: Iterable[Phase]) -> None:
    """Drop what phases have left on disk to go on from."""
    for folder in (phase.session.folder for phase in phases):
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


class Later:
    """Batches of a source from some step on, so that a second phase does not show the first one's over again."""

    def __init__(self, source: Source, first: int) -> None:
        self.source, self.first = source, first

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return self.source.steps_per_epoch

    def batch(self, step: int, is_calm: bool) -> Batch:
        """The batch of a step of this phase."""
        return self.source.batch(self.first + step, is_calm)


def _phase(
    network: nn.Module,
    source: Source,
    trial: Trial | None,
    phase: Phase,
    watch: Callable[[Moment], None],
    objective: Objective,
) -> Learnt:
    """What one phase comes to, learnt now or before a stop."""
    folder, identity = phase.session.folder, phase.session.identity
    if folder is not None:
        (folder / DONE).mkdir(parents=True, exist_ok=True)
        found = checkpoint.load(folder / DONE, identity)
        if found is not None:
            network.load_state_dict(found.part("network."))
            return _remembered(network, found.facts)
    learnt = train(Frozen(network, phase.frozen), source, trial, phase.recipe, phase.session, watch, objective)
    learnt = replace(learnt, network=inside(learnt.network))
    if folder is not None:
        _remember(learnt, folder / DONE, identity)
        checkpoint.remove(folder)
    return learnt


def _remember(learnt: Learnt, folder: Path, identity: str) -> None:
    facts = {
        "identity": identity,
        "score": asdict(learnt.score) if learnt.score else None,
        "step": learnt.step,
        "steps": learnt.steps,
        "curves": [asdict(point) for point in learnt.curves],
    }
    checkpoint.save(folder, checkpoint.named("network.", learnt.network), facts)


def _remembered(network: nn.Module, facts: dict[str, Any]) -> Learnt:
    score = Score(**facts["score"]) if facts["score"] else None
    curves = tuple(Point(**point) for point in facts["curves"])
    return Learnt(network, score, facts["step"], facts["steps"], curves, resumed_at=facts["steps"])


def _merit(learnt: Learnt) -> tuple[float, float]:
    return (learnt.score.accuracy, -learnt.score.loss) if learnt.score else (0.0, 0.0)


def _moved(point: Point, behind: int, source: Source) -> Point:
    """A point of a phase as one of the whole training."""
    return replace(point, step=point.step + behind, epoch=round(point.epoch + behind / source.steps_per_epoch, 3))


def _tell(moment: Moment, watch: Callable[[Moment], None], behind: int, ahead: int, source: Source) -> None:
    """Tell of a phase as of a part of the whole training."""
    point = _moved(moment.point, behind, source) if moment.point else None
    pace_s = moment.left_s / max(moment.steps - moment.step, 1)
    left_s = moment.left_s + ahead * pace_s
    watch(replace(moment, step=behind + moment.step, steps=behind + moment.steps + ahead, left_s=left_s, point=point))
