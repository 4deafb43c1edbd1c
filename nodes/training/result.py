"""The model artifact that a training leaves."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine import Context, FeatureSet, Model, ModelMeta

if TYPE_CHECKING:
    from pathlib import Path

    from nodes.learn.loop import Learnt
    from nodes.learn.recipe import Recipe
    from nodes.training.task import Task
    from nodes.zoo import Architecture

Json = dict[str, Any]
CURVES_FILE = "curves.json"


def export(
    learnt: Learnt,
    architecture: Architecture,
    features: FeatureSet,
    recipe: Recipe,
    seed: int,
    task: Task,
    ctx: Context,
) -> Model:
    """Write network, weights, architecture and curves."""
    from nodes.learn.precondition import folded
    from nodes.quant.prune import kernels_of, sparsity
    from nodes.zoo import describe, export_onnx
    from nodes.zoo.weights import save_weights

    folder, network = ctx.folder("model"), folded(learnt.network)
    export_onnx(network, folder / "model.onnx")
    save_weights(network, folder / "weights.safetensors")
    _write(folder / "architecture.json", architecture)
    _write(folder / CURVES_FILE, _curves(learnt, recipe, seed, task))
    described = describe(architecture)
    scores = {f"validation_{name}": value for name, value in asdict(learnt.score).items()} if learnt.score else {}
    meta = ModelMeta(
        about=f"{architecture['name']} · {described.params:,} parameters · "
        + (f"{learnt.score.accuracy:.1%} on validation" if learnt.score else "not validated"),
        architecture=architecture["name"],
        input_shape=tuple(features.meta.shape),
        classes=task.classes,
        front_end=features.meta.front_end,
        sparsity=sparsity(kernels_of(network)),
        parameters=described.params,
        flops={rule: float(count) for rule, count in described.flops.items()},
        size_bytes=(folder / "model.onnx").stat().st_size,
        metrics={**scores, "steps": float(learnt.steps)},
    )
    return Model(folder, meta)


def _curves(learnt: Learnt, recipe: Recipe, seed: int, task: Task) -> Json:
    return {
        "recipe": asdict(recipe),
        "seed": seed,
        "clips": {"training": len(task.table), "validation": len(task.trial.truth) if task.trial else 0},
        "steps": learnt.steps,
        "selected_step": learnt.step,
        "points": [asdict(point) for point in learnt.curves],
    }


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
