"""Cache keys hold everything that matters and nothing else; changes are told in words."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import OssicleError
from engine.key import Recipe, changes, code_digest, recipe_of
from engine.registry import Registry

RECIPE = Recipe("fake.add", 1, {"a": 1, "b": "x"}, {"in": ("k1", "k2")}, {"f.txt": "d1"}, "code")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "fake.other"}, "type fake.add -> fake.other"),
        ({"version": 2}, "new version 1 -> 2"),
        ({"params": {"a": 2, "b": "x"}}, "a 1 -> 2"),
        ({"params": {"a": 1, "b": "y"}}, "b x -> y"),
        ({"inputs": {"in": ("k1",)}}, "input in changed"),
        ({"inputs": {}}, "input in unwired"),
        ({"inputs": {"in": ("k1", "k2"), "more": ("k3",)}}, "input more newly wired"),
        ({"fingerprint": {"f.txt": "d2"}}, "source changed: f.txt"),
        ({"fingerprint": {f"{n}": n for n in range(5)}}, "source changed: 0, 1, 2 and 3 more"),
        ({"fingerprint": "etag"}, "source files changed"),
        ({"code": "other"}, "the plugin's code changed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_part_changes_the_key_and_is_told(change: dict[str, Any], words: str) -> None:
    other = replace(RECIPE, **change)
    assert other.key != RECIPE.key
    assert changes(RECIPE, other) == (words,)


def test_equal_recipes_have_equal_keys_whatever_the_order() -> None:
    other = replace(RECIPE, params={"b": "x", "a": 1})
    assert other.key == RECIPE.key == Recipe.from_json(RECIPE.to_json()).key
    assert changes(RECIPE, other) == ()


def test_defaults_are_part_of_the_key(fakes: Registry, tmp_path: Path) -> None:
    spec = fakes.specs["fake.constant"]
    plain = recipe_of(spec, spec.params(), {}, tmp_path)
    assert plain.params == {"value": 1.0, "note": ""}
    assert plain.key == recipe_of(spec, spec.params(value=1.0), {}, tmp_path).key
    assert plain.code != ""


def test_built_in_nodes_count_by_version_alone(fakes: Registry, tmp_path: Path) -> None:
    spec = replace(fakes.specs["fake.constant"], package="nodes")
    assert recipe_of(spec, spec.params(), {}, tmp_path).code == ""


def test_nan_is_refused(fakes: Registry, tmp_path: Path) -> None:
    spec = fakes.specs["fake.constant"]
    with pytest.raises(OssicleError, match="NaN or infinite"):
        recipe_of(replace(spec, fingerprint=lambda params, base: float("nan")), spec.params(), {}, tmp_path)


def test_a_plugins_code_is_digested_file_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "ossicle_key_trial"
    package.mkdir()
    (package / "__init__.py").write_text("from . import part\n")
    (package / "part.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("ossicle_key_trial")
    before = code_digest("ossicle_key_trial.part")
    assert before == code_digest("ossicle_key_trial")
    (package / "part.py").write_text("A = 2\n")
    code_digest.cache_clear()
    assert code_digest("ossicle_key_trial") != before
    del sys.modules["ossicle_key_trial"], sys.modules["ossicle_key_trial.part"]
