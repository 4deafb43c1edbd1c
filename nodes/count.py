"""Count what needs no data: networks, front ends, arithmetic on printed numbers, which device holds which network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from engine import Context, OssicleError, Params, Report, ReportMeta, Seconds, node
from nodes.dsp.presets import LogMelPreset, MfccPreset
from nodes.learn.names import ModelName
from nodes.nas.names import DeviceName

if TYPE_CHECKING:
    from nodes.counting.fit import Fit

Json = dict[str, Any]
Name = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")]


class CountedModel(BaseModel):
    """A network of the zoo at one size."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    model: ModelName = "tc_resnet8"
    """Network, by its name in `ossicle models`."""
    name: Name = ""
    """What its figures are called; the model's name if empty."""
    width: Annotated[float, Field(gt=0, le=64)] = 1.0
    """Factor on the number of channels of every layer."""
    coefficients: Annotated[int, Field(ge=0)] = 0
    """Coefficients or bands of the input; 0 takes the paper's."""
    frames: Annotated[int, Field(ge=0)] = 0
    """Frames of the input, of each patch if there are several; 0 takes the paper's."""
    classes: Annotated[int, Field(ge=0)] = 0
    """Number of classes; 0 takes the paper's."""


class CountParams(Params):
    """What to count."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Networks", ["models", "features"]],
                ["Arithmetic", ["formulas"]],
                ["Devices", ["devices", "frame_s"]],
            ]
        }
    )

    models: tuple[CountedModel, ...] = ()
    """Networks: parameters, operations by every rule, bytes, and every layer."""
    features: tuple[Literal[MfccPreset, LogMelPreset], ...] = ()
    """Front ends: rows, frames, samples."""
    formulas: dict[str, str] = {}
    """Arithmetic, by the name of its result; may use the models, the features and earlier results."""
    devices: tuple[DeviceName, ...] = ()
    """Boards, each held against every network (S3 IV): one operation an instruction, a weight one byte."""
    frame_s: Annotated[Seconds, Field(gt=0)] = 1.0
    """Time in which a network must be done."""

    @field_validator("formulas")
    @classmethod
    def _have_names(cls, formulas: dict[str, str]) -> dict[str, str]:
        wrong = [name for name in formulas if not name.isascii() or not name.isidentifier()]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no name; expected letters, digits and _; correct it")
        return formulas


@node("ossicle.count", version=1, category="Evaluate", title="Count")
def count(params: CountParams, ctx: Context) -> Report:
    """Figures that follow from definitions alone: no recordings, no training.

    Networks of the zoo with parameters, operations by every counting rule, bytes and layers; shapes of front ends;
    formulas over these and over printed numbers; and which device can hold which network.
    """
    from nodes.counting.errors import CountingError
    from nodes.zoo import ZooError

    try:
        report = counted(params)
    except (ZooError, CountingError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    folder = ctx.folder("report")
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text, encoding="utf-8")
    metrics = dict(_metrics(report))
    return Report(folder, ReportMeta(about=_about(params), title="Count", metrics=metrics))


def counted(params: CountParams) -> Json:
    """The report: a table each for models, layers, features, formulas and fits.

    Raises:
        ZooError: a network that cannot be made at this size.
        CountingError: two things of one name, or a formula that cannot be computed.
    """
    models = {_name(entry): _described(entry) for entry in params.models}
    _check_names(params)
    features = {name.replace("-", "_"): _front_end(name) for name in params.features}
    names: Json = {**models, **features}
    formulas = []
    for name, formula in params.formulas.items():
        names[name] = _evaluated(name, formula, names)
        formulas.append({"name": name, "value": names[name], "formula": formula})
    return {
        "kind": "count",
        "models": [{"name": name, **_without_layers(found)} for name, found in models.items()],
        "features": [{"name": name, **found} for name, found in features.items()],
        "formulas": formulas,
        "fits": [_fit_row(found) for found in _fits(params, models)],
        "layers": [
            {"name": f"{name}.{layer}", **row}
            for name, found in models.items()
            for layer, row in found["layers"].items()
        ],
    }


def _name(entry: CountedModel) -> str:
    return entry.name or entry.model


def _check_names(params: CountParams) -> None:
    from nodes.counting.errors import CountingError

    names = [*(_name(e) for e in params.models), *(f.replace("-", "_") for f in params.features), *params.formulas]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CountingError(f"two figures are called {twice[0]!r}", "a name of its own for each", "Rename one of them")


def _described(entry: CountedModel) -> Json:
    """What the zoo tells about a network, with `layers` by name and hyphens in the names of rules as underscores."""
    from nodes.zoo import architecture, describe, find

    known = find(entry.model)
    *before, rows, frames = known.input_shape
    shape = (*before, entry.coefficients or rows, entry.frames or frames)
    made = architecture(entry.model, width=entry.width, input_shape=shape, classes=entry.classes or known.classes)
    found = describe(made)
    plain = {key: value for key, value in asdict(found).items() if value is not None}
    plain["flops"] = {rule.replace("-", "_"): value for rule, value in found.flops.items()}
    plain["layers"] = {row.pop("name"): row for row in (asdict(layer) for layer in found.layers)}
    return {"model": entry.model, "width": entry.width, **plain}


def _without_layers(found: Json) -> Json:
    return {key: value for key, value in found.items() if key != "layers"}


def _front_end(name: str) -> Json:
    from nodes.dsp.presets import PRESETS

    found = PRESETS[name]
    same = ("rate_hz", "clip_samples", "window_samples", "hop_samples", "n_mels", "coefficients", "frames")
    sizes = {key: getattr(found, key) for key in same}
    return {**sizes, "patches": found.shape[0] if found.patch_frames else 1, "patch_frames": found.patch_frames}


def _evaluated(name: str, formula: str, names: Mapping[str, Any]) -> float:
    from nodes.counting.errors import CountingError
    from nodes.counting.formula import evaluate

    try:
        return evaluate(formula, names)
    except CountingError as error:
        raise CountingError(f"{name}: {error.what}", error.expected, error.remedy) from error


def _fits(params: CountParams, models: Mapping[str, Json]) -> Iterator[Fit]:
    from nodes.counting.fit import Need, fit
    from nodes.nas.devices import DEVICES

    for name, found in models.items() if params.devices else ():
        operations = found["flops"].get("s3", found["flops"]["true"])
        buffers = found["buffer_bytes"].get("s3", found["buffer_bytes"]["live"])
        need = Need(name, operations, buffers, found["params"])
        yield from (fit(need, device, DEVICES[device], params.frame_s) for device in params.devices)


def _fit_row(found: Fit) -> Json:
    reason = "; ".join(found.lacks)
    return {"name": f"{found.model}.{found.device}", "fits": found.fits, "lacks": reason}


def _metrics(report: Json) -> Iterator[tuple[str, float]]:
    """Every figure of the models, features, formulas and fits by its dotted name; layers stay in the table."""
    for table in ("models", "features"):
        for row in report[table]:
            yield from ((f"{row['name']}.{key}", value) for key, value in _numbers(row))
    yield from ((row["name"], row["value"]) for row in report["formulas"])
    yield from ((f"{row['name']}.fits", float(row["fits"])) for row in report["fits"])


def _numbers(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in row.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{key}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{prefix}{key}", float(value)


def _about(params: CountParams) -> str:
    parts = (
        (len(params.models), "networks"),
        (len(params.features), "front ends"),
        (len(params.formulas), "formulas"),
        (len(params.devices), "devices"),
    )
    return " · ".join(f"{number} {noun}" for number, noun in parts if number) or "nothing to count"
