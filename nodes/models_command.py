"""`ossicle models`: every network of the zoo with its size and cost, from the data alone (torch is never imported)."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from engine.errors import OssicleError
from nodes.zoo import Description, Entry, Figure, Printed, ZooError, architecture, describe, figures, find, models

Row = dict[str, Any]


def command(
    name: Annotated[str, typer.Argument(help="Show this model layer by layer.", show_default=False)] = "",
    width: Annotated[float, typer.Option(help="Width multiplier of the model NAME.")] = 1.0,
    input_shape: Annotated[
        str, typer.Option("--input", help="COEFFICIENTSxFRAMES or PATCHESxBANDSxFRAMES, default the paper's.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document for a program to read.")] = False,
) -> None:
    """List the networks with parameters, operations, bytes and memory for activations (buffers).

    Operations are given as they are (2 x multiply-adds) and as the paper prints them, with its counting rule named.
    Buffers hold 8-bit activations: two used in turn where every layer reads the one before, else what lives at once.

    Examples: ossicle models --json; ossicle models tc_resnet8 --width 1.5; ossicle models kws9 --input 40x44
    """
    try:
        shape = shape_of(input_shape)
        rows = [one_row(name, width, shape)] if name else list(all_rows(shape))
    except ZooError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    if as_json:
        typer.echo(json.dumps(rows[0] if name else rows, indent=1))
    else:
        typer.echo(layer_table(rows[0]) if name else model_table(rows))


def all_rows(shape: tuple[int, ...] | None = None) -> Iterator[Row]:
    """One row per model and printed width, at the paper's input or at `shape` where the model takes that."""
    for entry in models().values():
        for width in entry.printed or (1.0,):
            try:
                yield row(entry, width, shape or entry.input_shape)
            except ZooError:
                if shape is None:
                    raise


def one_row(name: str, width: float = 1.0, shape: tuple[int, ...] | None = None) -> Row:
    """The row of one model, with its block strings and per-layer table.

    Raises:
        ZooError: no such model, or the input is too small for it.
    """
    entry = find(name)
    made = architecture(name, width=width, input_shape=shape or entry.input_shape, classes=entry.classes)
    layers = [asdict(layer) for layer in describe(made).layers]
    return {**row(entry, width, shape or entry.input_shape), "blocks": made["blocks"], "layers": layers}


def row(entry: Entry, width: float, shape: tuple[int, ...]) -> Row:
    """What the list says about one model at one width and input shape."""
    found = describe(architecture(entry.name, width=width, input_shape=shape, classes=entry.classes))
    printed = entry.printed.get(width) if shape == entry.input_shape else None
    return {
        "name": entry.name,
        "width": width,
        "about": entry.about,
        "source": entry.source,
        "input_shape": list(found.input_shape),
        "classes": found.classes,
        "params": found.params,
        "params_trainable": found.params_trainable,
        "flops": {"true": found.flops["true"], **_printed_flops(printed, found), "by_rule": dict(found.flops)},
        "bytes": found.bytes,
        "buffer_bytes": dict(found.buffer_bytes),
        "printed": printed and _other_prints(printed, found),
        "figures": [_figure(figure) for figure in figures(entry, width)] if printed else [],
    }


def _figure(figure: Figure) -> Row:
    return {**asdict(figure), "agrees": figure.agrees}


def _printed_flops(printed: Printed | None, found: Description) -> Row:
    """The paper's operations, the rule it counts by, and what that rule gives here."""
    if printed is None or printed.flops is None:
        return {"printed": None, "rule": None, "computed": None}
    return {"printed": printed.flops, "rule": printed.rule, "computed": found.flops[printed.rule]}


def _other_prints(printed: Printed, found: Description) -> Row:
    size = {} if printed.size_kb is None else {"kilobytes": printed.size_kb, "file_bytes_computed": found.file_bytes_s4}
    quoted = {"params": printed.params or None, "accuracy_percent": printed.accuracy_percent, "note": printed.note}
    buffer = {"buffer_bytes": printed.buffer_bytes} if printed.buffer_bytes else {}
    return {**quoted, "slips": list(printed.slips), **size, **buffer}


def shape_of(text: str) -> tuple[int, ...] | None:
    """An input shape as it is typed; None if nothing is.

    Raises:
        ZooError: it is no shape.
    """
    if not text:
        return None
    parts = text.lower().split("x")
    if len(parts) not in (2, 3) or not all(part.isdecimal() for part in parts):
        raise ZooError(
            f"The input is '{text}'.", "COEFFICIENTSxFRAMES or PATCHESxBANDSxFRAMES", "Write it as 40x98 or 4x64x96."
        )
    return tuple(int(part) for part in parts)


def model_table(rows: Sequence[Row]) -> str:
    """The list as aligned text."""
    head = (
        "model",
        "width",
        "input",
        "classes",
        "params",
        "FLOPs true",
        "FLOPs printed",
        "rule",
        "computed",
        "bytes",
        "buffers",
    )
    return _aligned([head, *(_cells(row) for row in rows)])


def layer_table(row: Row) -> str:
    """One model, layer by layer, as aligned text."""
    numbers = ("weights", "params", "flops")
    body = [
        (layer["name"], layer["op"], _by(layer["out_shape"]), *(f"{layer[key]:,}" for key in numbers))
        for layer in row["layers"]
    ]
    total = ("sum", "", "", *(f"{sum(layer[key] for layer in row['layers']):,}" for key in numbers))
    table = _aligned([("layer", "operation", "output", "weights", "params", "FLOPs"), *body, total])
    return f"{table}\n{row['about']} ({row['source']})"


def _cells(row: Row) -> tuple[str, ...]:
    flops = row["flops"]
    printed = (_mega(flops["printed"], 1), flops["rule"] or "", _mega(flops["computed"], 2))
    size = (f"{row['width']:g}", _by(row["input_shape"]), str(row["classes"]), f"{row['params']:,}")
    buffer = row["buffer_bytes"].get("s3", row["buffer_bytes"]["live"])
    return (row["name"], *size, _mega(flops["true"], 2), *printed, f"{row['bytes']:,}", f"{buffer:,}")


def _mega(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value / 1e6:.{digits}f}M"


def _by(shape: Sequence[int]) -> str:
    return "x".join(str(size) for size in shape)


def _aligned(table: Sequence[Sequence[str]]) -> str:
    """Columns: the first flush left, the rest flush right."""
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    lines = ([cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)] for line in table)
    return "\n".join("  ".join([first[0].ljust(widths[0]), *rest]) for first, rest in zip(table, lines, strict=True))
