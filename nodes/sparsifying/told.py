"""What is told about a sparse model: its layers, what is stored, accuracy before and after."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final

from engine import Model
from nodes.learn.head import inside
from nodes.quant.sparse_facts import layer_rows, storage
from nodes.sparsifying.ground import Ground
from nodes.sparsifying.methods import Result

Json = dict[str, Any]
SPARSITY_FILE: Final = "sparsity.json"


def with_facts(made: Model, ground: Ground, result: Result) -> Model:
    """The model with what has become of every layer, and the share of zeros in its metadata."""
    rows = layer_rows(ground.architecture, inside(result.learnt.network))
    weights, zeros = (sum(row[name] for row in rows) for name in ("weights", "zeros"))
    share = zeros / max(weights, 1)
    before = result.told["before"]
    facts = {
        "kind": "sparsity",
        "settings": ground.params.model_dump(mode="json"),
        "sparsity": share,
        "validation": {"before": before, "after": asdict(result.learnt.score) if result.learnt.score else None},
        "rounds": result.told["rounds"],
        "storage": storage(made.meta.parameters, weights, zeros),
        "layers": rows,
    }
    (made.path / SPARSITY_FILE).write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    changed = made.meta.parameters != sum(row["params_before"] for row in rows)
    kept = f", {made.meta.parameters:,} parameters left" if changed else ""
    about = f"{made.meta.about} · {share:.1%} of the weights zero{kept}"
    metrics = {**made.meta.metrics, **({"validation_accuracy_before": before["accuracy"]} if before else {})}
    return Model(made.path, made.meta.model_copy(update={"sparsity": share, "about": about, "metrics": metrics}))
