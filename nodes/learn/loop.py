"""The training loop: batches in, weights and curves out; the outside world watches through one callback.

Every random number follows from (seed, step), so a checkpoint needs no generator states, and a training that was killed
and taken up again gives the same bits as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nodes.learn import checkpoint
from nodes.learn.ahead import ahead
from nodes.learn.compute import CPU, Compute, brought_back, placed, seed, switches
from nodes.learn.errors import LearnError
from nodes.learn.objective import Objective, cross_entropy
from nodes.learn.optimise import Average, optimizer_of, prepare
from nodes.learn.policy import challenged
from nodes.learn.recipe import Recipe
from nodes.learn.source import Batch, Source
from nodes.learn.step import Ledger, Step, Sums
from nodes.learn.trouble import is_out_of_memory, no_number, out_of_memory

__all__ = [
    "Learnt", "Moment", "Objective", "Point", "Score", "Session", "Trial", "cross_entropy", "score", "train",
]  # fmt: skip

TELL_EVERY_S: Final = 0.5
TRIAL_BATCH: Final = 256
BUDGET_WARMUP_STEPS: Final = 20
SAVE_SHARE: Final = 0.02
"""Most of the time that checkpoints may take."""


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy and accuracy in [0, 1]."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Point:
    """One point of the curves: means of the training since the last point, and the validation clips now."""

    step: int
    epoch: float
    learning_rate: float
    loss: float
    accuracy: float
    """Of the clips as they were shown, changed and mixed: lower than on plain clips."""
    validation_loss: float | None
    validation_accuracy: float | None


@dataclass(frozen=True)
class Moment:
    """What a watcher is told: often with progress only, with `point` when the validation clips were scored."""

    step: int
    steps: int
    left_s: float
    point: Point | None = None


@dataclass(frozen=True)
class Trial:
    """Validation clips: features (clips, *shape) and class numbers (clips,)."""

    features: Tensor
    truth: Tensor

    def to(self, device: str) -> Trial:
        """The clips on a device."""
        return Trial(self.features.to(device), self.truth.to(device))


@dataclass(frozen=True)
class Session:
    """How one training runs, apart from what is learnt.

    Attributes:
        seed: decides first weights, order, changes and dropout.
        workers: threads that prepare batches ahead.
        folder: where checkpoints go; None writes none.
        identity: what the checkpoint must have been made from to be taken up again.
        save_every_s: seconds between checkpoints.
        budget_s: shorten the training so that it ends in about this time; 0 has no limit. The result then depends on
            the machine's speed.
        compute: the device and the numbers it computes in.
    """

    seed: int = 0
    workers: int = 0
    folder: Path | None = None
    identity: str = ""
    save_every_s: float = 5.0
    budget_s: float = 0.0
    compute: Compute = CPU


@dataclass(frozen=True)
class Learnt:
    """The network with the selected weights, its validation score, and the curves."""

    network: nn.Module
    score: Score | None
    step: int
    """Step whose weights were selected."""
    steps: int
    """Steps done."""
    curves: tuple[Point, ...]
    resumed_at: int = 0


def train(
    network: nn.Module,
    source: Source,
    trial: Trial | None,
    recipe: Recipe,
    session: Session,
    watch: Callable[[Moment], None] = lambda _moment: None,
    objective: Objective = cross_entropy,
) -> Learnt:
    """Train a network by a recipe. An exception of `watch` stops it, after a checkpoint.

    Parameters without a gradient stay as they are. The network comes back on the processor.

    Raises:
        LearnError: the loss is no longer a number; memory does not suffice; every layer is frozen; or the recipe needs
            validation clips and there are none.
    """
    if trial is None and (recipe.selection == "best" or recipe.patience):
        raise LearnError("there are no validation clips", "some to choose the best weights by", "Use selection 'last'")
    with switches(session.compute):
        return _Training(network, source, trial, recipe, session, watch, objective).run()


def score(network: nn.Module, trial: Trial) -> Score:
    """Loss and accuracy of a network in inference mode, each clip once."""
    network.eval()
    with torch.no_grad():
        logits = torch.cat([network(block) for block in torch.split(trial.features, TRIAL_BATCH)])
    hits = int((logits.argmax(1) == trial.truth).sum())
    return Score(float(F.cross_entropy(logits, trial.truth)), hits / len(trial.truth))


def _seed_of(seed: int, step: int) -> int:
    """Seed of torch's generator for one step: torch uses 32 bits, so both numbers are hashed into them."""
    return int(np.random.SeedSequence((seed, 2, step)).generate_state(1)[0])


@dataclass
class _Best:
    """The best evaluation so far and its weights."""

    score: Score | None = None
    step: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def is_beaten_by(self, other: Score) -> bool:
        return self.score is None or (other.accuracy, -other.loss) >= (self.score.accuracy, -self.score.loss)


class _Training:
    """A training under way."""

    def __init__(
        self,
        network: nn.Module,
        source: Source,
        trial: Trial | None,
        recipe: Recipe,
        session: Session,
        watch: Callable[[Moment], None],
        objective: Objective,
    ) -> None:
        torch.manual_seed(session.seed)
        prepare(network, recipe)
        placed(network, session.compute)
        self.network, self.source, self.recipe, self.session = network, source, recipe, session
        self.watch, self.objective, self.compute = watch, objective, session.compute
        self.trial = trial.to(self.compute.device) if trial else None
        self.average, self.optimizer = (
            Average(network, recipe.average), optimizer_of(network, recipe, self.compute)
        )  # fmt: skip
        self.ledger = Ledger(self.compute.device)
        self.learn = Step(network, self.optimizer, recipe, objective, self.compute, self.ledger)
        self.steps = recipe.length(source.steps_per_epoch)
        self.step, self.best = 0, _Best()
        self.curves: list[Point] = []
        self.spent_s, self.resumed_at, self.saved_step = 0.0, 0, 0

    def run(self) -> Learnt:
        self._take_up()
        self.started_s = self.told_s = self.saved_s = time.monotonic()
        self.save_took_s, self.first_step = 0.0, self.step
        self.network.train()
        try:
            with ahead(self._batch, self.step, self.session.workers) as batches:
                while self.step < self.steps and not self._is_stale():
                    self._learn(next(batches))
                    self._after_step()
            return self._result()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise out_of_memory(self.step + 1, self.saved_step, self.recipe.batch, self.compute) from error

    def _batch(self, step: int) -> Batch:
        """The batch of a step, ready to be fetched by the device."""
        batch = self.source.batch(step, self._is_calm(step))
        return batch.pinned() if self.compute.is_cuda and batch.features.device.type == "cpu" else batch

    def _learn(self, batch: Batch) -> None:
        """One step of the optimizer."""
        seed(_seed_of(self.session.seed, self.step), self.compute)
        batch = batch.to(self.compute.device)
        if self.recipe.augmentation.policy == "sap":
            batch = self._challenged(batch)
        self.learn(batch, self.recipe.rate_at(self.step, self.steps))
        self.average.update(self.step)
        self.step += 1

    def _challenged(self, batch: Batch) -> Batch:
        """The batch with the changes that the network's own losses decide on."""
        random = np.random.default_rng((self.session.seed, 3, self.step))
        change = self.recipe.augmentation
        if self._is_calm(self.step):
            change = replace(change, cutmix_share=0.0)
        changed = challenged(batch, self.network, self._logits, change, random)
        self.network.train()
        return changed

    def _is_calm(self, step: int) -> bool:
        return step >= (1.0 - self.recipe.calm) * self.steps

    def _logits(self, network: nn.Module, batch: Batch) -> Tensor:
        return self.objective(network, batch)[1]

    def _after_step(self) -> None:
        now_s = time.monotonic()
        self._keep_to_budget(now_s)
        every = max(self.steps // self.recipe.evaluations, min(self.source.steps_per_epoch, self.steps))
        is_due = self.step % every == 0 or self.step >= self.steps
        is_told = is_due or now_s - self.told_s > TELL_EVERY_S
        is_saved = now_s - self.saved_s > max(self.session.save_every_s, self.save_took_s / SAVE_SHARE)
        if is_told or is_saved or not self.compute.is_cuda:
            self._check()
        if is_due:
            self._evaluate()
        if is_told:
            self._tell(self.curves[-1] if is_due else None)
        if is_saved:
            self._save()

    def _check(self) -> None:
        """Stop if the loss was no number; on a GPU seldom, as asking waits for all that is queued."""
        ago = self.ledger.bad_steps_ago()
        if ago is not None:
            step = self.step - 1 - ago
            rate = self.recipe.rate_at(step, self.steps)
            raise no_number(step + 1, rate, self.recipe, self.compute, self.source.batch(step, is_calm=True))

    def _evaluate(self) -> None:
        """Add a point to the curves and remember the weights if they are the best so far."""
        sums = self.ledger.sums
        self.ledger.restart()
        found = score(self.average.network, self.trial) if self.trial else None
        self.network.train()
        if found and self.best.is_beaten_by(found):
            weights = checkpoint.named("", self.average.network) if self.recipe.selection == "best" else {}
            self.best = _Best(found, self.step, weights)
        self.curves.append(
            Point(
                step=self.step,
                epoch=round(self.step / self.source.steps_per_epoch, 3),
                learning_rate=self.recipe.rate_at(self.step - 1, self.steps),
                loss=sums.loss / max(sums.steps, 1),
                accuracy=sums.hits / max(sums.clips, 1),
                validation_loss=found.loss if found else None,
                validation_accuracy=found.accuracy if found else None,
            )
        )

    def _is_stale(self) -> bool:
        """Whether so many evaluations have passed without a better one that the recipe gives up."""
        behind = sum(point.step > self.best.step for point in self.curves)
        return bool(self.recipe.patience) and behind >= self.recipe.patience

    def _keep_to_budget(self, now_s: float) -> None:
        done = self.step - self.first_step
        if self.session.budget_s and done >= BUDGET_WARMUP_STEPS and done % BUDGET_WARMUP_STEPS == 0:
            left_s = self.session.budget_s - self.spent_s - (now_s - self.started_s)
            reachable = self.step + int(max(left_s, 0.0) * done / (now_s - self.started_s))
            self.steps = max(min(self.steps, reachable), self.step)

    def _tell(self, point: Point | None) -> None:
        """Tell the watcher; if it objects, leave a checkpoint to go on from."""
        self.told_s = time.monotonic()
        pace_s = (self.told_s - self.started_s) / max(self.step - self.first_step, 1)
        try:
            self.watch(Moment(self.step, self.steps, (self.steps - self.step) * pace_s, point))
        except BaseException:
            self._save()
            raise

    def _save(self) -> None:
        self.saved_s = start_s = time.monotonic()
        if self.session.folder is None:
            return
        tensors = checkpoint.named("network.", self.network) | checkpoint.optimizer_tensors(
            "optimizer.", self.optimizer
        )
        tensors |= {f"best.{name}": value for name, value in self.best.weights.items()}
        if self.recipe.average:
            tensors |= checkpoint.named("average.", self.average.network)
        facts: dict[str, Any] = {
            "identity": self.session.identity,
            "step": self.step,
            "steps": self.steps,
            "spent_s": self.spent_s + self.saved_s - self.started_s,
            "sums": asdict(self.ledger.sums),
            "scaler": self.learn.state,
            "best": {"score": asdict(self.best.score) if self.best.score else None, "step": self.best.step},
            "curves": [asdict(point) for point in self.curves],
        }
        checkpoint.save(self.session.folder, tensors, facts)
        self.saved_step, self.save_took_s = self.step, time.monotonic() - start_s

    def _take_up(self) -> None:
        """Go on from a checkpoint of the same training, if there is one."""
        found = checkpoint.load(self.session.folder, self.session.identity) if self.session.folder else None
        if found is None:
            return
        self.network.load_state_dict(found.part("network."))
        checkpoint.restore_optimizer(self.optimizer, found.part("optimizer."))
        if self.recipe.average:
            self.average.network.load_state_dict(found.part("average."))
        facts, best = found.facts, found.facts["best"]
        self.step, self.steps, self.spent_s = facts["step"], facts["steps"], facts["spent_s"]
        self.ledger.restart(Sums(**facts["sums"]))
        self.learn.restore(facts["scaler"])
        self.saved_step = self.resumed_at = self.step
        self.best = _Best(Score(**best["score"]) if best["score"] else None, best["step"], found.part("best."))
        self.curves = [Point(**point) for point in facts["curves"]]

    def _result(self) -> Learnt:
        network = self.average.network
        if self.best.weights:
            network.load_state_dict(self.best.weights)
        is_best = bool(self.best.weights)
        final = self.best.score if is_best or not self.trial else score(network, self.trial)
        brought_back(network.eval())
        brought_back(self.network)
        chosen = self.best.step if is_best else self.step
        return Learnt(network, final, chosen, self.step, tuple(self.curves), self.resumed_at)
