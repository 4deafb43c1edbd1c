"""Trials of one study, as many at once as asked: ask, train, prune, tell. Goes on where it was when killed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Protocol

from nodes.nas.objective import Objective
from nodes.nas.prune import Curve, Rule
from nodes.nas.space import Params
from nodes.nas.study import Asked, Record, Study
from nodes.searching.trial import GoOn, Order, Outcome
from nodes.train_params import TrainParams

Json = dict[str, Any]
POLL_S: Final = 0.2


class Trainer(Protocol):
    """Trains one trial at a time, here or elsewhere."""

    def train(self, order: Order, go_on: GoOn) -> Outcome:
        """Train a trial; asks after each point whether to go on."""
        ...

    def cancel(self) -> None:
        """Ask the trial under way to stop; from any thread."""
        ...

    def close(self) -> None:
        """Give back what is held."""
        ...


@dataclass(frozen=True)
class Phase:
    """What is tried, and how it is judged.

    Attributes:
        first: number of its first trial among all of the search.
        count: trials to train.
        ask: the next trial; None if there is no other to try.
        training: parameters of the train node for a point.
        price: costs of a point, known before training.
        judged_by: what the sampler is told.
        rivals_by: costs that make trials comparable when pruning.
    """

    name: str
    study: Study
    first: int
    count: int
    ask: Callable[[], Asked | None]
    training: Callable[[Params], TrainParams]
    price: Callable[[Params], Mapping[str, float]]
    judged_by: tuple[Objective, ...]
    rivals_by: tuple[Objective, ...]
    rule: Rule
    folder: Path


Ended = Callable[[Record], None]


def run_phase(phase: Phase, trainers: Sequence[Trainer], check: Callable[[], None], tell: Ended) -> list[Record]:
    """Train what is left of a phase; `tell` hears of every trial that ends, `check` is called a few times a second.

    Whatever `check` raises stops all trials, after a checkpoint of each.
    """
    free: SimpleQueue[Trainer] = SimpleQueue()
    for trainer in trainers:
        free.put(trainer)
    interrupted, running = deque(phase.study.interrupted()), dict[Future[Outcome], Asked]()
    left = phase.count - len(phase.study.records()) + len(interrupted)
    with _executor(trainers) as pool:
        while True:
            while len(running) < len(trainers) and left > 0:
                check()
                asked = interrupted.popleft() if interrupted else phase.ask()
                if asked is None:
                    left = 0
                    break
                left -= 1
                running[pool.submit(_train, free, _order(phase, asked), _watch(phase, asked))] = asked
            if not running:
                return phase.study.records()
            done, _ = wait(running, POLL_S, FIRST_COMPLETED)
            for future in done:
                tell(_note(phase, running.pop(future), future.result()))
            check()


class _Inline(Executor):
    """Does the work when it is given: one trial at a time needs no thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@contextmanager
def _executor(trainers: Sequence[Trainer]) -> Iterator[Executor]:
    """Threads that wait for the trainers; when something stops the search, all trainers are told."""
    if len(trainers) == 1:
        yield _Inline()
        return
    with ThreadPoolExecutor(len(trainers), "trial") as pool:
        try:
            yield pool
        except BaseException:
            for trainer in trainers:
                trainer.cancel()
            raise


def _train(free: SimpleQueue[Trainer], order: Order, go_on: GoOn) -> Outcome:
    trainer = free.get()
    try:
        return trainer.train(order, go_on)
    finally:
        free.put(trainer)


def _order(phase: Phase, asked: Asked) -> Order:
    number = phase.first + asked.number
    return Order(number, trial_folder(phase.folder, number), phase.training(asked.params))


def trial_folder(folder: Path, number: int) -> Path:
    """Where a trial keeps its files."""
    return folder / f"trial-{number}"


def _watch(phase: Phase, asked: Asked) -> GoOn:
    """Compare a trial with those that have ended when it began."""
    ended = [_curve(phase, record) for record in phase.study.records() if record.state in ("complete", "pruned")]
    costs = _costs(phase, phase.price(asked.params))
    return lambda points: not phase.rule(Curve(asked.number, costs, points), ended)


def _curve(phase: Phase, record: Record) -> Curve:
    points = tuple((float(share), float(accuracy)) for share, accuracy in record.facts["points"])
    return Curve(record.number, _costs(phase, record.facts["objectives"]), points)


def _costs(phase: Phase, values: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(objective.cost(values[objective.name]) for objective in phase.rivals_by)


def _note(phase: Phase, asked: Asked, outcome: Outcome) -> Record:
    """Write down how a trial ended."""
    learnt = {"accuracy": outcome.accuracy, "loss": outcome.loss}
    values = {**{k: v for k, v in learnt.items() if v is not None}, **phase.price(asked.params)}
    facts: Json = {"objectives": values, "points": [list(point) for point in outcome.points], "error": outcome.error}
    if outcome.state == "complete":
        phase.study.finish(asked, [objective.cost(values[objective.name]) for objective in phase.judged_by], facts)
    elif outcome.state == "pruned":
        phase.study.prune(asked, facts)
    else:
        phase.study.fail(asked, facts)
    return Record(asked.number, outcome.state, asked.params, facts)
