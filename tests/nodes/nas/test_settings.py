"""The settings of phase 1."""

from dataclasses import replace

import pytest

from nodes.nas.settings import Recipe, settings_space
from nodes.nas.space import Choice, Range

RECIPE = Recipe(learning_rate=4e-3, batch=100, optimizer="adamw", weight_decay=0.02, epochs=30, steps=0)


def test_the_recipe_is_the_middle_and_the_start() -> None:
    space = settings_space(
        RECIPE, learning_rates=None, batches=(128, 32, 64), optimizers=("adamw", "adam"),
        weight_decays=(0.0, 1e-2), lengths=(0.5, 1.0),
    )  # fmt: skip
    assert space.dimensions[0] == Range("learning_rate", pytest.approx(4e-4), pytest.approx(1.2e-2))
    assert space.dimensions[1] == Choice("batch", (32, 64, 128))
    assert space.start == {
        "learning_rate": 4e-3, "batch": 128, "optimizer": "adamw", "weight_decay": 1e-2, "length": 1.0,
    }  # fmt: skip
    assert space.changes({"batch": 64, "length": 0.5}) == {"batch": 64, "epochs": 15}


def test_a_length_in_steps_stays_in_steps() -> None:
    space = settings_space(
        replace(RECIPE, steps=900), learning_rates=(1e-3, 1e-3), batches=(), optimizers=("sgd",), weight_decays=(),
        lengths=(1.0,),
    )  # fmt: skip
    assert [d.name for d in space.dimensions] == ["learning_rate", "optimizer", "length"]
    assert space.changes(space.start) == {"learning_rate": 1e-3, "optimizer": "sgd", "steps": 900}
