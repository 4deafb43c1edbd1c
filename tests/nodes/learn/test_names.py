"""The names offered are the things there are."""

from typing import get_args

from nodes.learn.augmentation import AUGMENTATIONS
from nodes.learn.names import AugmentationName, ModelName, RecipeName
from nodes.learn.recipe import RECIPES
from nodes.zoo import models


def test_names_are_those_of_the_tables() -> None:
    assert get_args(ModelName) == tuple(models())
    assert get_args(RecipeName) == tuple(RECIPES)
    assert get_args(AugmentationName) == tuple(AUGMENTATIONS)
