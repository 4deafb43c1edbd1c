"""One search as Optuna keeps it: what was asked, what came of it, and what to try next. Survives a kill.

The journal file is the whole state. A sampler is made anew for every trial, with a seed from (seed, number of the
trial), so what it draws depends on the seed and on the trials before and on nothing else: a search that was killed and
taken up again asks for the same trials as one that was not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from nodes.nas.names import SamplerName
from nodes.nas.space import Choice, Dimension, Params, Value

State = Literal["complete", "pruned", "failed", "running"]
FACTS: Final = "facts"
REJECTED: Final = "rejected"
STARTED: Final = "started"
OVER_LIMIT: Final = "over the limits"
_STATES: Final[Mapping[TrialState, State]] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}
POPULATION: Final = 12
"""Of NSGA-II: searches here have tens of trials, not thousands."""
START_UP: Final = 10
"""Trials before TPE models anything (Optuna's own number)."""


def _tpe(seed: int, is_single: bool) -> BaseSampler:
    return TPESampler(seed=seed, n_startup_trials=START_UP, multivariate=is_single, constant_liar=True)


def _nsga2(seed: int, is_single: bool) -> BaseSampler:
    return NSGAIISampler(seed=seed, population_size=POPULATION)


def _random(seed: int, is_single: bool) -> BaseSampler:
    return RandomSampler(seed=seed)


SAMPLERS: Final[Mapping[SamplerName, Callable[[int, bool], BaseSampler]]] = {
    "tpe": _tpe,
    "nsga2": _nsga2,
    "random": _random,
}


@dataclass(frozen=True)
class Record:
    """A trial: `number` counts those that were to be trained, `facts` is what the caller told about it."""

    number: int
    state: State
    params: Params
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A trial to be trained."""

    number: int
    params: Params
    trial: Trial


class _Journal(JournalFileBackend):
    """Optuna's journal without a lock and without a flush to disk per line.

    One process writes it (the caller sees to that), and a lock file would outlive a kill. What is written survives the
    process; a power cut may tear the last line, which is cut off when the journal is opened.
    """

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with Path(self._file_path).open("ab") as file:
            file.write(lines.encode())


class Study:
    """Trials over some dimensions, judged by one or several costs."""

    def __init__(
        self,
        journal: Path,
        name: str,
        dimensions: Sequence[Dimension],
        costs: int,
        sampler: SamplerName = "tpe",
        seed: int = 0,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        _mend(journal)
        storage = JournalStorage(_Journal(str(journal)))
        self.dimensions, self.seed = {dimension.name: dimension for dimension in dimensions}, seed
        self._sampler, self._is_single = SAMPLERS[sampler], costs == 1
        self._study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=["minimize"] * costs,
            sampler=self._sampler(seed, self._is_single),
            load_if_exists=True,
        )

    def start(self, points: Sequence[Params]) -> None:
        """Try these points before the sampler chooses any; a study that was started before is left as it is."""
        if not self._study.user_attrs.get(STARTED):
            for point in points:
                self._study.enqueue_trial(self._encoded(point), skip_if_exists=True)
            self._study.set_user_attr(STARTED, True)

    def queue(self, params: Params) -> None:
        """Try this point next."""
        self._study.enqueue_trial(self._encoded(params))

    def ask(self) -> Asked:
        """The next point to try."""
        number = len(self._study.get_trials(deepcopy=False, states=tuple(_STATES)))
        self._study.sampler = self._sampler(_seed_of(self.seed, number), self._is_single)
        return self._complete(self._study.ask())

    def interrupted(self) -> list[Asked]:
        """Trials that were under way when the search was killed, to be trained again under their own numbers."""
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [self._taken_up(trial) for trial in running]

    def finish(self, asked: Asked, costs: Sequence[float], facts: Mapping[str, Any]) -> None:
        """Tell what a trial cost on every axis (less is better), and the facts to keep."""
        asked.trial.set_user_attr(FACTS, dict(facts))
        self._study.tell(asked.trial, list(costs))

    def prune(self, asked: Asked, facts: Mapping[str, Any]) -> None:
        """Tell that a trial was not worth training to the end."""
        asked.trial.set_user_attr(FACTS, dict(facts))
        self._study.tell(asked.trial, state=TrialState.PRUNED)

    def fail(self, asked: Asked, facts: Mapping[str, Any]) -> None:
        """Tell that a trial broke down."""
        asked.trial.set_user_attr(FACTS, dict(facts))
        self._study.tell(asked.trial, state=TrialState.FAIL)

    def reject(self, asked: Asked, excess: float) -> None:
        """Turn a point down untrained: over the limits by so much, or (0) known already.

        Samplers that can learn from it (TPE) keep away from what is over the limits.
        """
        asked.trial.set_user_attr(REJECTED, OVER_LIMIT if excess > 0 else "known already")
        if excess > 0:
            asked.trial.set_constraint("limits", excess)
        self._study.tell(asked.trial, state=TrialState.PRUNED if excess > 0 else TrialState.FAIL)

    def records(self) -> list[Record]:
        """Every trial that was to be trained, in order."""
        return [
            Record(number, _STATES[trial.state], self._decoded(trial.params), trial.user_attrs.get(FACTS, {}))
            for number, trial in enumerate(self._kept())
        ]

    @property
    def rejected(self) -> int:
        """How many points were turned down untrained because they were over the limits."""
        trials = self._study.get_trials(deepcopy=False)
        return sum(trial.user_attrs.get(REJECTED) == OVER_LIMIT for trial in trials)

    # ---- between Optuna's words and ours

    def _kept(self) -> list[FrozenTrial]:
        trials = self._study.get_trials(deepcopy=False, states=tuple(_STATES))
        return [trial for trial in trials if REJECTED not in trial.user_attrs]

    def _taken_up(self, frozen: FrozenTrial) -> Asked:
        self._study.sampler = self._sampler(_seed_of(self.seed, frozen.number), self._is_single)
        return self._complete(Trial(self._study, frozen._trial_id))

    def _complete(self, trial: Trial) -> Asked:
        """Draw whatever has no value yet."""
        for dimension in self.dimensions.values():
            _draw(trial, dimension)
        number = sum(other.number < trial.number for other in self._kept())
        return Asked(number, self._decoded(trial.params), trial)

    def _encoded(self, params: Params) -> dict[str, Value]:
        return {
            name: dimension.values.index(params[name]) if isinstance(dimension, Choice) else params[name]
            for name, dimension in self.dimensions.items()
            if name in params
        }

    def _decoded(self, params: Mapping[str, Any]) -> dict[str, Value]:
        return {
            name: dimension.values[params[name]] if isinstance(dimension, Choice) else params[name]
            for name, dimension in self.dimensions.items()
            if name in params
        }


def _draw(trial: Trial, dimension: Dimension) -> None:
    """Choices are drawn by their place, so that neighbours count as neighbours."""
    if isinstance(dimension, Choice):
        trial.suggest_int(dimension.name, 0, len(dimension.values) - 1)
    else:
        trial.suggest_float(dimension.name, dimension.low, dimension.high, log=True)


def _seed_of(seed: int, number: int) -> int:
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def _mend(journal: Path) -> None:
    """Cut off a last line that a kill left half written."""
    if journal.exists() and not (data := journal.read_bytes()).endswith(b"\n") and data:
        journal.write_bytes(data[: data.rfind(b"\n") + 1])
