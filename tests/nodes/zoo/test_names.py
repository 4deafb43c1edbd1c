"""The names offered are the models there are."""

from typing import get_args

from nodes.zoo import models
from nodes.zoo.names import ModelName


def test_names_are_those_of_the_catalogue() -> None:
    assert get_args(ModelName) == tuple(models())
