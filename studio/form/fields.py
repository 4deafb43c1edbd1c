"""What a parameter is, read from a node's JSON schema: kind, range, unit, choices, parts. No Qt."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from pydantic import JsonValue

Kind = Literal[
    "number", "integer", "switch", "choice", "text", "lines", "path", "secret",
    "tags", "numbers", "table", "group", "variant", "mapping", "json",
]  # fmt: skip
Schema = Mapping[str, Any]
SCALARS: Final = frozenset({"number", "integer", "switch", "choice", "text", "path", "secret"})
PATHS: Final = frozenset({"path", "file-path", "directory-path"})
LEADING: Final = ("preset", "recipe")
"""Parameters that decide what empty ones mean; they stand first."""


@dataclass(frozen=True)
class Field:
    """One parameter.

    Attributes:
        default: its default; means nothing where `is_required`.
        is_nullable: whether None ("auto") is a value.
        low, high: smallest and largest number; `is_low_open`, `is_high_open`: the number itself is out of range.
        step: numbers are multiples of it; 0 if they need not be.
        choices: allowed values, for the kind "choice".
        item: what a list or a mapping holds.
        parts: fields of a group, columns of a table.
        variants: for the kind "variant": the groups by the value of `tag`.
        is_rare: shown under "More settings".
    """

    name: str
    kind: Kind
    label: str = ""
    about: str = ""
    default: JsonValue = None
    is_required: bool = False
    is_nullable: bool = False
    unit: str = ""
    low: float | None = None
    high: float | None = None
    is_low_open: bool = False
    is_high_open: bool = False
    step: float = 0.0
    choices: tuple[JsonValue, ...] = ()
    item: Field | None = None
    parts: tuple[Field, ...] = ()
    tag: str = ""
    variants: Mapping[str, tuple[Field, ...]] = field(default_factory=dict)
    format: str = ""
    section: str = ""
    is_rare: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it is one number."""
        return self.kind in ("number", "integer")


def fields_of(schema: Schema) -> tuple[Field, ...]:
    """The parameters of a JSON schema, in its order."""
    required = set(schema.get("required", ()))
    return _told_apart(
        [_field(name, entry, schema, name in required) for name, entry in schema.get("properties", {}).items()]
    )


def _told_apart(found: list[Field]) -> tuple[Field, ...]:
    """Fields whose names differ by their unit alone say what they measure: "Silence share", "Silence length"."""
    counts = Counter(item.label for item in found)
    return tuple(
        replace(item, label=f"{item.label} {MEASURES[item.unit]}")
        if counts[item.label] > 1 and item.unit in MEASURES
        else item
        for item in found
    )


def _field(name: str, entry: Schema, root: Schema, is_required: bool = False) -> Field:
    plain, is_nullable = _without_null(_resolved(entry, root), root)
    unit = str(plain.get("unit") or entry.get("unit") or _unit_of(name, plain))
    about = str(entry.get("description") or plain.get("description") or "")
    return replace(
        _typed(name, plain, root),
        label=label_of(name, unit, str(entry.get("title") or "")),
        about=" ".join(about.split()),
        default=entry.get("default"),
        is_required=is_required,
        is_nullable=is_nullable,
        unit=unit,
        section=str(entry.get("section") or ""),
        is_rare=bool(entry.get("advanced") or entry.get("rare")),
    )


def _resolved(entry: Schema, root: Schema) -> Schema:
    """Follow `$ref` into the schema's `$defs`; a circle of references ends as an empty schema."""
    seen: set[str] = set()
    while "$ref" in entry or len(entry.get("allOf", ())) == 1:
        target = entry.get("$ref", "")
        if target in seen:
            return {}
        seen.add(target or f"allOf {len(seen)}")
        found = root.get("$defs", {}).get(target.rsplit("/", 1)[-1], {}) if target else entry["allOf"][0]
        entry = {**found, **{key: value for key, value in entry.items() if key not in ("$ref", "allOf")}}
    return entry


def _without_null(entry: Schema, root: Schema) -> tuple[Schema, bool]:
    options = entry.get("anyOf") or ()
    kept = [option for option in options if option.get("type") != "null"]
    if len(kept) == len(options):
        return entry, False
    outer = {key: value for key, value in entry.items() if key != "anyOf"}
    inner = _resolved(kept[0], root) if len(kept) == 1 else {"anyOf": kept}
    return {**outer, **inner}, True


def _typed(name: str, entry: Schema, root: Schema) -> Field:
    if "enum" in entry or "const" in entry:
        return Field(name, "choice", choices=tuple(entry.get("enum", (entry.get("const"),))))
    if "oneOf" in entry or "discriminator" in entry:
        return _variant(name, entry, root)
    make = _MAKERS.get(str(entry.get("type", "")))
    return make(name, entry, root) if make is not None else Field(name, "json")


def _number(name: str, entry: Schema, _root: Schema) -> Field:
    low, high = entry.get("minimum"), entry.get("maximum")
    above, below = entry.get("exclusiveMinimum"), entry.get("exclusiveMaximum")
    is_low_open = above is not None and (low is None or above >= low)
    is_high_open = below is not None and (high is None or below <= high)
    return Field(
        name,
        "integer" if entry["type"] == "integer" else "number",
        low=above if is_low_open else low,
        high=below if is_high_open else high,
        is_low_open=is_low_open,
        is_high_open=is_high_open,
        step=float(entry.get("multipleOf", 0)),
    )


def _switch(name: str, _entry: Schema, _root: Schema) -> Field:
    return Field(name, "switch")


def _text(name: str, entry: Schema, _root: Schema) -> Field:
    form = str(entry.get("format", ""))
    default = entry.get("default")
    is_long = form in ("lines", "multiline", "textarea") or (isinstance(default, str) and "\n" in default)
    kind: Kind = "path" if form in PATHS else "secret" if form == "secret" else "lines" if is_long else "text"
    return Field(name, kind, format=form)


def _array(name: str, entry: Schema, root: Schema) -> Field:
    if "items" not in entry or entry.get("prefixItems"):
        return Field(name, "json")
    item = _field("", entry["items"], root)
    if item.is_nullable:
        return Field(name, "json", item=item)
    if item.kind in ("text", "choice") and all(isinstance(value, str) for value in item.choices):
        return Field(name, "tags", item=item)
    if item.is_number:
        return Field(name, "numbers", item=item)
    is_flat = item.kind == "group" and all(part.kind in SCALARS for part in item.parts)
    return Field(name, "table" if is_flat else "json", item=item, parts=item.parts)


def _object(name: str, entry: Schema, root: Schema) -> Field:
    if "properties" in entry:
        if _depth(root) > MOST_DEPTH:
            return Field(name, "json")
        return Field(name, "group", parts=fields_of({**entry, "$defs": root.get("$defs", {}), DEPTH: _depth(root) + 1}))
    values = entry.get("additionalProperties")
    item = _field("", values, root) if isinstance(values, Mapping) and values else None
    if item is not None and item.kind in SCALARS and not item.is_nullable:
        return Field(name, "mapping", item=item)
    return Field(name, "json")


def _variant(name: str, entry: Schema, root: Schema) -> Field:
    """A discriminated union: each option is an object whose tag has one constant value."""
    tag = str(entry.get("discriminator", {}).get("propertyName", ""))
    variants: dict[str, tuple[Field, ...]] = {}
    for option in entry.get("oneOf") or entry.get("anyOf") or ():
        made = _object("", _resolved(option, root), root)
        constant = next((part for part in made.parts if part.name == tag), None)
        if constant is None or constant.kind != "choice" or len(constant.choices) != 1:
            return Field(name, "json")
        variants[str(constant.choices[0])] = tuple(part for part in made.parts if part.name != tag)
    return Field(name, "variant", tag=tag, variants=variants) if variants else Field(name, "json")


DEPTH: Final = "x-depth"
MOST_DEPTH: Final = 3
"""Groups within groups; deeper ones are edited as JSON text."""


def _depth(root: Schema) -> int:
    return int(root.get(DEPTH, 0))


_MAKERS: Final = {
    "number": _number, "integer": _number, "boolean": _switch, "string": _text, "array": _array, "object": _object,
}  # fmt: skip

# ---- words

UNITS: Final[Mapping[str, str]] = {
    "ms": "ms", "us": "µs", "s": "s", "hz": "Hz", "db": "dB", "percent": "%", "bytes": "B", "samples": "samples",
    "clips": "clips", "frames": "frames",
}  # fmt: skip
"""Units by the last part of a name; the schema's own unit wins."""
MEASURES: Final[Mapping[str, str]] = {
    "ms": "length", "µs": "length", "s": "length", "Hz": "frequency", "dB": "level", "%": "share", "B": "size",
    "samples": "samples", "clips": "clips", "frames": "frames",
}  # fmt: skip
ACRONYMS: Final[Mapping[str, str]] = {
    "fft": "FFT", "mfcc": "MFCC", "mfccs": "MFCCs", "snr": "SNR", "id": "id", "ca": "CA", "mqtt": "MQTT", "url": "URL",
    "sha256": "SHA-256", "json": "JSON", "csv": "CSV", "dct": "DCT", "f": "F", "ram": "RAM", "flops": "FLOPs",
}  # fmt: skip


def _unit_of(name: str, entry: Schema) -> str:
    stem, _, last = name.rpartition("_")
    return UNITS.get(last, "") if stem and entry.get("type") in ("number", "integer") else ""


def label_of(name: str, unit: str = "", title: str = "") -> str:
    """A parameter's name as words: "min_snr_db" gives "Min SNR"; a title of the schema's own wins."""
    if title and title != name.replace("_", " ").title():
        return title
    stem, _, last = name.rpartition("_")
    words = (stem if stem and unit and UNITS.get(last) == unit else name).removeprefix("n_").split("_")
    text = " ".join(ACRONYMS.get(word, word) for word in words)
    return text[:1].upper() + text[1:]


def range_text(found: Field) -> str:
    """The allowed numbers in words: "from 1 to 64", "above 0", or ""."""
    low = "" if found.low is None else f"{'above' if found.is_low_open else 'from'} {found.low:.12g}"
    high = "" if found.high is None else f"{'below' if found.is_high_open else 'to'} {found.high:.12g}"
    if low and high:
        return f"{low} {'and below' if found.is_high_open else 'to'} {found.high:.12g}"
    return low or (high if found.is_high_open else high.replace("to ", "at most "))


# ---- sections


@dataclass(frozen=True)
class Section:
    """Fields under one heading; `is_rare` ones are folded at first."""

    title: str
    fields: tuple[Field, ...]
    is_rare: bool = False


def sections_of(schema: Schema) -> tuple[Section, ...]:
    """Fields by heading.

    The schema's own hints decide: "section" and "advanced" at a property, or "sections" at the schema, a list of
    [title, names] (a list, because pydantic sorts the keys of objects).
    Without any: required ones and those with a value first, then what comes from a preset or a recipe when empty;
    fields whose help starts with the same words and a colon ("Speech Commands: ...") stand together.
    """
    found = fields_of(schema)
    wished = _wished(schema)
    named = {name: title for title, names in wished for name in names}
    groups: dict[str, list[Field]] = {}
    rare = [item for item in found if item.is_rare]
    leader = next((item for item in found if item.name in LEADING), None)
    is_hinted = bool(named) or any(item.section for item in found)
    guess = functools.partial(_guessed_section, found=found, leader=leader)
    for item in sorted((item for item in found if not item.is_rare), key=_rank):
        title = item.section or named.get(item.name, "") or ("" if is_hinted else guess(item))
        groups.setdefault(title or MAIN, []).append(item)
    order = sorted(groups, key=lambda title: _place(title, [name for name, _ in wished], list(groups)))
    made = [Section(title, tuple(groups[title])) for title in order]
    return (*made, *([Section(MORE, tuple(rare), is_rare=True)] if rare else []))


def _wished(schema: Schema) -> list[tuple[str, list[str]]]:
    raw = schema.get("sections", ())
    pairs = raw.items() if isinstance(raw, Mapping) else raw
    return [(str(title), [str(name) for name in names]) for title, names in pairs]


MAIN: Final = "Settings"
MORE: Final = "More settings"


def _rank(item: Field) -> tuple[bool, bool]:
    """Within a section: required ones, then presets, then the schema's order."""
    return not item.is_required, item.name not in LEADING


def _place(title: str, wished: list[str], seen: list[str]) -> tuple[int, int]:
    return (wished.index(title) if title in wished else -1 if title == MAIN else len(wished)), seen.index(title)


def _guessed_section(item: Field, found: tuple[Field, ...], leader: Field | None) -> str:
    if leader is not None and item.is_nullable and item.default is None and not item.is_required:
        return f"From the {leader.label.lower()}"
    topic = _topic(item)
    return topic if topic and sum(_topic(other) == topic for other in found) > 1 else ""


def _topic(item: Field) -> str:
    head, colon, _ = item.about.partition(": ")
    topic = head.replace("_", " ") if colon and len(head) <= 24 and not set(head) & set(".,;·") else ""
    return topic[:1].upper() + topic[1:]


def walk(found: tuple[Field, ...]) -> Iterator[Field]:
    """All fields, those within groups included."""
    for item in found:
        yield item
        yield from walk(item.parts)
