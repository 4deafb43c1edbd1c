"""The whole search: settle the brief, try settings, try shapes, choose, train again, report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from engine import AudioSet, Context, FeatureSet, Model, Report
from nodes.nas.errors import NasError
from nodes.nas.objective import LEARNT, OBJECTIVES
from nodes.nas.propose import Judge, key_of, propose, starts
from nodes.nas.prune import RULES
from nodes.nas.space import zoo_variants
from nodes.nas.study import Asked, Record, Study
from nodes.search_params import NasParams
from nodes.searching.brief import Brief, brief_of
from nodes.searching.opened import upstream_of, workflow_of
from nodes.searching.phase import Phase, Trainer, run_phase, trial_folder
from nodes.searching.report import Trained, area, chosen_of, report_of, said, write_report
from nodes.searching.trial import Inputs, Order, kept_model
from nodes.searching.worker import Here, Worker
from nodes.train_params import TrainParams
from nodes.training.task import no_clips, task_of

Changes = dict[str, Any]
JOURNAL = "journal.log"
SETTINGS, SHAPES = "settings", "shapes"
OFTEN_S = 0.5


@dataclass
class Search:
    """A search under way: what it is about, and the trials that have ended."""

    inputs: Inputs
    params: NasParams
    ctx: Context
    brief: Brief
    folder: Path
    trained: list[Trained] = field(default_factory=list)

    # ---- phases

    def settings(self) -> Phase:
        """Phase 1: the optimiser's settings on the base architecture, judged by the loss (S4 5.3)."""
        space, base, count = self.brief.settings, self.brief.space.base, self.params.tuning_trials
        judged = (OBJECTIVES["loss"],)
        study = Study(self.folder / JOURNAL, SETTINGS, space.dimensions, 1, self.params.sampler, self.params.seed)
        study.start([space.start])
        rule = RULES[self.params.pruning]
        return Phase(
            SETTINGS, study, 0, count, study.ask, lambda point: self.params.training(space.changes(point)),
            lambda point: self.brief.prices.of(base), judged, (), rule, self.folder,
        )  # fmt: skip

    def shapes(self, frozen: Changes, first: int) -> Phase:
        """Phase 2: kernels, channels and blocks under the settings that won."""
        brief, params = self.brief, self.params
        dimensions, axes = brief.space.dimensions, len(brief.objectives)
        study = Study(self.folder / JOURNAL, SHAPES, dimensions, axes, params.sampler, params.seed)
        judge = Judge(brief.price, brief.limits)
        if params.warm_start:
            found = starts(brief.space, zoo_variants(brief.space), params.trials)
            study.start([point for point in found if not judge.excess(point)])
        return Phase(
            SHAPES, study, first, params.trials, partial(self._next_shape, study, judge),
            partial(self._shape, frozen), brief.price, brief.objectives, brief.counted, RULES[params.pruning],
            self.folder,
        )  # fmt: skip

    def _next_shape(self, study: Study, judge: Judge) -> Asked | None:
        space = self.brief.space
        known = {key_of(space, record.params) for record in study.records()}
        found = propose(study, space, judge, known, self.params.seed)
        if found is None:
            self.ctx.log("every shape that fits has been tried: the search ends early")
        return found

    def _shape(self, frozen: Changes, point: Any) -> TrainParams:
        return self.params.training({**frozen, "blocks": tuple(self.brief.space.architecture(point)["blocks"])})

    # ---- running

    def run(self, trainers: Sequence[Trainer]) -> int:
        """Both phases; how many shapes were turned down untrained."""
        frozen: Changes = {}
        if self.params.tuning_trials:
            self._go_through(self.settings(), trainers)
            frozen = self._winner()
        phase = self.shapes(frozen, len(self.trained))
        self._go_through(phase, trainers)
        return phase.study.rejected

    def _go_through(self, phase: Phase, trainers: Sequence[Trainer]) -> None:
        """Tell of the trials that ended before the search was killed, and train the others."""
        for record in phase.study.records():
            if record.state in ("complete", "pruned"):
                known = {name: value for name, value in record.facts["objectives"].items() if name not in LEARNT}
                self.brief.prices.remember(phase.training(record.params).blocks, known)
            if record.state != "running":
                self._tell(phase, record)
        records = run_phase(phase, trainers, self.ctx.check, partial(self._tell, phase))
        earlier = [trial for trial in self.trained if trial.phase != phase.name]
        self.trained = [*earlier, *(self._trial(phase, record) for record in records)]

    def _trial(self, phase: Phase, record: Record) -> Trained:
        return Trained(phase.first + record.number, phase.name, record, phase.training(record.params))

    def _tell(self, phase: Phase, record: Record) -> None:
        trial = self._trial(phase, record)
        self.trained.append(trial)
        if trial.is_complete:
            named = {objective.name: trial.values[objective.name] for objective in self.brief.objectives}
            self.ctx.metric(trial=trial.number, **named)
            self.ctx.metric(step=len(self.trained), hypervolume=area(self.trained, self.brief))
        elif record.state == "failed":
            self.ctx.log(f"trial {trial.number} failed: {record.facts.get('error', '')}", "warning")
        total = self.params.tuning_trials + self.params.trials
        best = max((done.values["accuracy"] for done in self.trained if done.is_complete), default=0.0)
        self.ctx.progress(len(self.trained) / (total + 1), f"trial {len(self.trained)} of {total}, best {best:.1%}")

    def _winner(self) -> Changes:
        """The settings with the lowest loss."""
        able = [trial for trial in self.trained if trial.is_complete]
        if not able:
            told = next((t.record.facts["error"] for t in self.trained if t.record.facts.get("error")), "all stopped")
            raise NasError(
                f"none of the {len(self.trained)} trials of the settings was trained to the end ({told})",
                "at least one",
                "Lower the learning rates, or set tuning_trials to 0",
            )
        best = min(able, key=lambda trial: (trial.values["loss"], trial.number))
        self.ctx.log(f"settings for all shapes, from trial {best.number}: {said(best.record.params)}")
        return self.brief.settings.changes(best.record.params)


def search(features: FeatureSet, audio: AudioSet | None, params: NasParams, ctx: Context) -> tuple[Model, Report]:
    """Search, and give the chosen model and the report.

    Raises:
        NasError: no shape fits, or no trial gave a model.
        OssicleError: there are no clips to learn from or to judge by.
    """
    if task_of(features, params).trial is None:
        from engine.audio import table_of

        raise no_clips("validation", table_of(features))
    brief = brief_of(features, params, ctx)
    inputs = Inputs(features, audio, ctx.base, ctx.threads if params.parallel == 1 else 1)
    found = Search(inputs, params, ctx, brief, _folder(features, audio, params, ctx))
    with _trainers(found) as trainers:
        rejected = found.run(trainers)
    if rejected:
        ctx.log(f"{rejected:,} shapes over the limits were not trained")
    chosen = chosen_of(found.trained, brief, params.keep)
    upstream = upstream_of({"features": features, "audio": audio})
    content = report_of(
        found.trained, chosen, brief, params, rejected,
        lambda trial: workflow_of(upstream, trial.training, f"trial {trial.number}"),
    )  # fmt: skip
    return _model(found, chosen), write_report(content, chosen, ctx)


@contextmanager
def _trainers(search: Search) -> Iterator[list[Trainer]]:
    count = search.params.parallel
    made: list[Trainer] = (
        [Here(search.inputs, search.ctx.is_cancelled)]
        if count == 1
        else [Worker(search.inputs) for _ in range(count)]
    )  # fmt: skip
    try:
        yield made
    finally:
        for trainer in made:
            trainer.close()


def _model(search: Search, chosen: Trained) -> Model:
    """The chosen trial's model, or the one trained longer if that is better."""
    ctx, folder = search.ctx, trial_folder(search.folder, chosen.number)
    ctx.log(f"trial {chosen.number} chosen ({search.params.keep}): {_words(chosen)}")
    if not search.params.retrain:
        return kept_model(folder, ctx)
    longer = Order(chosen.number, search.folder / "retrained", _longer(chosen.training, search.params.retrain))
    ctx.progress(len(search.trained) / (len(search.trained) + 1), "training the chosen network again")
    outcome = Here(search.inputs, ctx.is_cancelled).train(longer, lambda points: True)
    if outcome.state != "complete" or (outcome.accuracy or 0.0) < chosen.values["accuracy"]:
        told = outcome.error or f"{outcome.accuracy or 0.0:.1%} of the validation clips"
        ctx.log(f"trained again it was no better ({told}): the trial's own weights are kept", "warning")
        return kept_model(folder, ctx)
    ctx.log(f"trained again: {outcome.accuracy:.1%} of the validation clips")
    return kept_model(longer.folder, ctx)


def _longer(training: TrainParams, factor: float) -> TrainParams:
    recipe = training.made_recipe()
    unit, length = ("steps", recipe.steps) if recipe.steps else ("epochs", recipe.epochs)
    return training.model_copy(update={unit: max(1, round(length * factor))})


def _words(trial: Trained) -> str:
    named = {name: value for name, value in trial.values.items() if name != "accuracy"}
    return f"{trial.values['accuracy']:.1%}, " + ", ".join(f"{name} {value:,.6g}" for name, value in named.items())


def _folder(features: FeatureSet, audio: AudioSet | None, params: NasParams, ctx: Context) -> Path:
    """A folder for this very search: another one's trials are never taken for its own."""
    facts = [params.model_dump(mode="json"), features.meta.model_dump(mode="json"), audio is not None]
    name = hashlib.sha256(json.dumps([*facts, ctx.key], sort_keys=True).encode()).hexdigest()[:16]
    folder = ctx.scratch / f"search-{name}"
    folder.mkdir(exist_ok=True)
    return folder
