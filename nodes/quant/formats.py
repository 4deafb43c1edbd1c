"""Formats of a network in fixed point as a file, so that it is converted again without calibration clips.

`fixed.json` names the format of every map and weight of the lne graph that its model.onnx is read as:

    {"kind": "fixed", "version": 1, "bits": 8, "bias_bits": 32, "rule": {"name": "overload", "threshold": 1e-4},
     "maps": {"features": [8, 3], ...}, "weights": {"conv1 weight": [8, 7], ...}, "channel_scales": false}

A format is [bits, fraction], see `nodes.quant.fixed.Fixed`. That of a bias follows from its values by the rule. Names
are those of the graph in pieces that each have an integer form, see `nodes.quant.split`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from nodes.lne.ir import Graph, Softmax
from nodes.quant.convert import convert, keeps_format, weights_of
from nodes.quant.errors import QuantError
from nodes.quant.fixed import P_OVERLOAD, Fixed, by_overload, by_sqnr
from nodes.quant.ops import IntegerGraph
from nodes.quant.settings import Rule, Settings
from nodes.quant.split import split

Json = dict[str, Any]
FIXED_FILE: Final = "fixed.json"
VERSION: Final = 1
BITS: Final = range(2, 17)
BIAS_BITS: Final = range(2, 33)
FRACTIONS: Final = range(-64, 65)
MOST_BYTES: Final = 4 << 20
LONGEST_NAME: Final = 400


def rule_of(name: str, threshold: float = P_OVERLOAD) -> Rule:
    """The rule of a name: "sqnr" (A), or "overload" (B) with its threshold.

    Raises:
        QuantError: there is no such rule.
    """
    if name == "sqnr":
        return by_sqnr
    if name != "overload":
        raise _foreign(f"its rule is {name!r}", "sqnr or overload")
    if not 0.0 < threshold <= 1.0:
        raise _foreign(f"its overload threshold is {threshold}", "a share above 0 and up to 1")
    return partial(by_overload, threshold=threshold)


def described(rule: Rule) -> Json:
    """A rule as the file has it.

    Raises:
        QuantError: it is neither of the two.
    """
    if rule is by_sqnr:
        return {"name": "sqnr"}
    if rule is by_overload:
        return {"name": "overload", "threshold": P_OVERLOAD}
    if isinstance(rule, partial) and rule.func is by_overload:
        return {"name": "overload", "threshold": float(rule.keywords["threshold"])}
    raise QuantError("The rule has no name in the file.", "by_sqnr or by_overload", "Take rule_of.")


def write_formats(path: Path, settings: Settings, graph: Graph) -> None:
    """Write complete settings, see `nodes.quant.convert.settled`; equal settings give equal bytes.

    Raises:
        QuantError: the format of a map or weight is missing.
    """
    missing = missing_formats(graph, settings)
    if missing:
        raise _incomplete(path, missing)
    known = split(graph).maps
    maps = {name: form for name, form in settings.formats.items() if name in known}
    rest = {name: form for name, form in settings.formats.items() if name not in known}
    text = json.dumps(
        {
            "kind": "fixed",
            "version": VERSION,
            "bits": settings.bits,
            "bias_bits": settings.bias_bits,
            "channel_scales": settings.channel_scales,
            "rule": described(settings.rule),
            "maps": _rows(maps),
            "weights": _rows(rest),
        },
        indent=1,
        allow_nan=False,
    )
    path.write_text(text + "\n", encoding="utf-8")


def _rows(forms: Mapping[str, Fixed]) -> dict[str, list[int]]:
    return {name: [form.bits, form.fraction] for name, form in sorted(forms.items())}


def read_formats(path: Path, graph: Graph | None = None) -> Settings:
    """Settings with which `convert(graph, None, settings)` needs no calibration.

    With the graph, names are compared too: every map and weight must be there.

    Raises:
        QuantError: there is no such file, it is damaged, of another kind, or of another network.
    """
    raw = _loaded(path)
    if raw.get("kind") != "fixed" or raw.get("version") != VERSION:
        found = f"kind {raw.get('kind')!r}, version {raw.get('version')!r}"
        raise _foreign(f"it says {found[:80]}", f"kind 'fixed', version {VERSION}")
    rule = raw.get("rule")
    if not isinstance(rule, dict):
        raise _foreign("it names no rule", "a rule with its name")
    threshold = rule.get("threshold", P_OVERLOAD)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise _foreign(f"its overload threshold is {threshold!r}"[:80], "a share above 0 and up to 1")
    if type(raw.get("channel_scales", False)) is not bool:
        raise _foreign("channel_scales is no truth value", "true or false")
    settings = Settings(
        _integer(raw, "bits", BITS),
        _integer(raw, "bias_bits", BIAS_BITS),
        rule_of(str(rule.get("name"))[:40], float(threshold)),
        channel_scales=bool(raw.get("channel_scales", False)),
        formats={**_formats(raw, "maps"), **_formats(raw, "weights")},
    )
    if graph is not None and (missing := missing_formats(graph, settings)):
        raise _incomplete(path, missing)
    return settings


def missing_formats(graph: Graph, settings: Settings) -> list[str]:
    """Maps and weights of a graph in pieces without a format; the result of a softmax needs none."""
    graph = split(graph)
    needed = [graph.source, *(op.output for op in graph.ops if not isinstance(op, Softmax))]
    return [name for name in (*needed, *(name for name, _ in weights_of(graph))) if name not in settings.formats]


def _loaded(path: Path) -> Json:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _foreign(f"it has {path.stat().st_size:,} bytes", f"at most {MOST_BYTES:,}")
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise QuantError(
            f"{path.name} cannot be read: {error.strerror}.", "formats beside a fixed-point model", "Quantize it again."
        ) from error
    except (ValueError, RecursionError) as error:
        raise _foreign(f"it is no JSON ({str(error)[:80]})", "what quantize writes") from error
    if not isinstance(raw, dict):
        raise _foreign(f"it holds a {type(raw).__name__}", "an object")
    return raw


def _formats(raw: Json, key: str) -> dict[str, Fixed]:
    rows = raw.get(key)
    if not isinstance(rows, dict):
        raise _foreign(f"it has no {key}", f"an object '{key}' of formats")
    return {name: _format(name, row) for name, row in rows.items()}


def _format(name: str, row: object) -> Fixed:
    is_pair = isinstance(row, list) and len(row) == 2 and all(type(number) is int for number in row)
    if not is_pair or len(name) > LONGEST_NAME:
        raise _foreign(f"the format of {name[:60]!r} is {str(row)[:40]}", "[bits, fraction]")
    bits, fraction = cast(list[int], row)
    if bits not in BITS or fraction not in FRACTIONS:
        raise _foreign(f"the format of {name[:60]!r} is {str(row)[:40]}", f"[{_span(BITS)}, {_span(FRACTIONS)}]")
    return Fixed(bits, fraction)


def _integer(raw: Json, key: str, allowed: range) -> int:
    value = raw.get(key)
    if type(value) is not int or value not in allowed:
        raise _foreign(f"{key} is {str(value)[:40]}", _span(allowed))
    return value


def _span(allowed: range) -> str:
    return f"{allowed.start} to {allowed.stop - 1}"


def _foreign(what: str, expected: str) -> QuantError:
    return QuantError(f"{FIXED_FILE} is not usable: {what}.", expected, "Quantize the model again.")


def _incomplete(path: Path, missing: list[str]) -> QuantError:
    listed = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    return QuantError(
        f"{path.name} has no format of {listed}.",
        "the format of every map and weight of the network",
        "Quantize the model again: the file belongs to another one.",
    )


def integer_graph(model: Path) -> IntegerGraph:
    """The network in integers that a model.onnx and the fixed.json beside it stand for.

    Raises:
        QuantError: the file of formats is missing, damaged or of another network.
    """
    from nodes.lne.reading import read_onnx

    graph = read_onnx(model).graph
    return convert(graph, None, read_formats(model.with_name(FIXED_FILE), graph))


def tensor_names(graph: Graph) -> list[str]:
    """Names of the maps and weights that have a format of their own choice, in the order of the graph."""
    pieces = split(graph)
    chosen = [op.output for op in pieces.ops if not isinstance(op, Softmax) and not keeps_format(op)]
    return [graph.source, *chosen, *(name for name, _ in weights_of(pieces))]
