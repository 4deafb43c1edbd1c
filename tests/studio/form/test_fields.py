"""Fields and sections read from JSON schemas."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import ConfigDict, Field

from engine import Params
from engine.params import Milliseconds, Percent, Seconds, schema
from engine.registry import load_registry
from studio.form.fields import fields_of, label_of, range_text, sections_of


class Hinted(Params):
    """With hints."""

    model_config = ConfigDict(json_schema_extra={"sections": [["Recipe", ["rate", "preset"]], ["Model", ["width"]]]})
    rate: float = 0.1
    width: int = 1
    preset: Literal["a", "b"] = "a"
    seed: int = 0
    slow: Annotated[int, Field(json_schema_extra={"advanced": True})] = 0


@pytest.mark.parametrize(
    ("name", "unit", "label"),
    [
        ("hop_ms", "ms", "Hop"),
        ("min_snr_db", "dB", "Min SNR"),
        ("unknown_percent", "%", "Unknown"),
        ("n_mels", "", "Mels"),
        ("fft_samples", "samples", "FFT"),
        ("time_budget_s", "s", "Time budget"),
        ("words", "", "Words"),
        ("clips", "", "Clips"),
    ],
)
def test_names_become_words(name: str, unit: str, label: str) -> None:
    assert label_of(name, unit) == label


def test_a_title_of_the_schemas_own_wins() -> None:
    assert label_of("hop_ms", "ms", "Hop Ms") == "Hop"
    assert label_of("hop_ms", "ms", "Frame step") == "Frame step"


def test_sections_follow_the_schemas_hints() -> None:
    found = sections_of(schema(Hinted))
    assert [(part.title, [field.name for field in part.fields]) for part in found] == [
        ("Settings", ["seed"]),
        ("Recipe", ["preset", "rate"]),
        ("Model", ["width"]),
        ("More settings", ["slow"]),
    ]
    assert [part.is_rare for part in found] == [False, False, False, True]


class Plain(Params):
    """Without hints."""

    preset: Literal["a", "b"] = "a"
    hop_ms: Annotated[Milliseconds, Field(gt=0)] | None = None
    silence_percent: Annotated[Percent, Field(ge=0)] = 10.0
    """Speech Commands: share of silent clips."""
    silence_s: Seconds = 1.0
    """Speech Commands: length of a silent clip."""
    seed: int = 0


def test_without_hints_what_belongs_together_stands_together() -> None:
    found = {part.title: [field.name for field in part.fields] for part in sections_of(schema(Plain))}
    assert found == {
        "Settings": ["preset", "seed"],
        "From the preset": ["hop_ms"],
        "Speech Commands": ["silence_percent", "silence_s"],
    }


def test_fields_that_differ_by_their_unit_alone_are_told_apart() -> None:
    labels = {field.name: field.label for field in fields_of(schema(Plain))}
    assert labels["silence_percent"] == "Silence share"
    assert labels["silence_s"] == "Silence length"


@pytest.mark.parametrize("type_id", list(load_registry().specs))
def test_no_parameter_is_lost(type_id: str) -> None:
    raw = schema(load_registry().specs[type_id].params)
    names = [field.name for section in sections_of(raw) for field in section.fields]
    assert sorted(names) == sorted(raw.get("properties", {}))
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"minimum": 1, "maximum": 64}, "from 1 to 64"),
        ({"exclusiveMinimum": 0}, "above 0"),
        ({"exclusiveMinimum": 50, "maximum": 100}, "above 50 to 100"),
        ({"minimum": 0, "exclusiveMaximum": 1}, "from 0 and below 1"),
        ({"maximum": 5}, "at most 5"),
        ({"exclusiveMaximum": 5}, "below 5"),
        ({}, ""),
    ],
)
def test_ranges_are_told_in_words(entry: dict[str, Any], words: str) -> None:
    (field,) = fields_of({"properties": {"x": {"type": "number", **entry}}})
    assert range_text(field) == words


@pytest.mark.parametrize(
    "entry",
    [
        {}, {"type": "array"}, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"type": "object"},
        {"$ref": "#/$defs/Circle"}, {"type": "array", "prefixItems": [{"type": "number"}], "items": False},
        {"oneOf": [{"type": "object", "properties": {}}], "discriminator": {"propertyName": "kind"}},
        {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
    ],
)  # fmt: skip
def test_what_no_editor_knows_is_edited_as_json(entry: dict[str, Any]) -> None:
    circle = {"Circle": {"$ref": "#/$defs/Circle"}}
    (field,) = fields_of({"properties": {"x": entry}, "$defs": circle})
    assert field.kind == "json"


def test_groups_within_groups_end_somewhere() -> None:
    node = {"type": "object", "properties": {"child": {"$ref": "#/$defs/Node"}}}
    (field,) = fields_of({"properties": {"x": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": node}})
    kinds = []
    while field.parts:
        kinds.append(field.kind)
        (field,) = field.parts
    assert kinds == ["group"] * 4
    assert field.kind == "json"


def test_a_unit_within_a_union_with_none_is_found() -> None:
    class Some(Params):
        hop_ms: Annotated[Milliseconds, Field(gt=0)] | None = None

    (field,) = fields_of(schema(Some))
    assert (field.unit, field.is_nullable, field.low, field.is_low_open) == ("ms", True, 0, True)
