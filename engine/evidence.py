"""From artifacts to what a person can look at: facts as words, plots as figures. Reads the documented files only."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from engine import plot, report_plots
from engine.artifact import (
    Artifact,
    AudioMeta,
    AudioSet,
    Deployment,
    DeploymentMeta,
    FeatureMeta,
    FeatureSet,
    FirmwareMeta,
    Model,
    ModelMeta,
    ReceiptMeta,
    Report,
    ReportMeta,
)
from engine.console import duration, size
from engine.errors import OssicleError
from engine.event import Event
from engine.svg import Figure

if TYPE_CHECKING:
    from engine.audio import ClipTable

MOST_CLASSES, MOST_LAYERS = 60, 80
LONGEST_S = 12.0
QUIET_LABELS: Final = frozenset({"", "silence", "_silence_", "unknown", "_unknown_"})
UNREADABLE: Final = (OssicleError, OSError, KeyError, ValueError, TypeError, IndexError)
Facts = list[tuple[str, str]]


# ---- facts


def facts_of(artifact: Artifact) -> Facts:
    """What is known about an artifact, as name and value in words."""
    meta = artifact.meta
    found = [("about", meta.about)] if meta.about else []
    for kind, tell in FACTS.items():
        if isinstance(meta, kind):
            found += tell(meta)
    if meta.problems:
        found.append(("files left out", f"{len(meta.problems):,}"))
    return found


def _audio_facts(meta: AudioMeta) -> Facts:
    counts = [(name.replace("_", " "), f"{value:,}") for name, value in meta.counts.items()]
    licence = [("licence", meta.licence)] if meta.licence else []
    return [
        ("rate", f"{meta.rate_hz:,} Hz"),
        _classes(meta.classes),
        ("length", f"{meta.minutes:.1f} min"),
        *counts,
        *licence,
    ]


def _feature_facts(meta: FeatureMeta) -> Facts:
    counts = [(name.replace("_", " "), f"{value:,}") for name, value in meta.counts.items()]
    return [("shape", f"{by(meta.shape)} ({meta.layout})"), _classes(meta.classes), *counts]


def _model_facts(meta: ModelMeta) -> Facts:
    flops = [(f"operations ({rule})", f"{value / 1e6:,.2f} M") for rule, value in meta.flops.items()]
    sparse = [("zero weights", f"{meta.sparsity:.0%}")] if meta.sparsity else []
    return [
        ("architecture", meta.architecture),
        ("input", by(meta.input_shape)),
        ("precision", meta.precision),
        ("parameters", f"{meta.parameters:,}"),
        ("size", size(meta.size_bytes)),
        *flops,
        *sparse,
        *metric_facts(meta.metrics),
    ]


def _deployment_facts(meta: DeploymentMeta) -> Facts:
    memory = [("memory", size(meta.memory_bytes))] if meta.memory_bytes else []
    latency = [("latency", f"{meta.latency_us:,.1f} µs")] if meta.latency_us else []
    error = ("largest difference from the reference", f"{meta.verified_error:.3g}")
    return [("target", meta.target), *latency, *memory, error, *metric_facts(meta.metrics)]


def _firmware_facts(meta: FirmwareMeta) -> Facts:
    sizes = [("flash", size(meta.flash_bytes)), ("RAM", size(meta.ram_bytes))]
    return [("target", meta.target), *sizes, *metric_facts(meta.metrics)]


FACTS: Final[Mapping[type, Callable[[Any], Facts]]] = {
    AudioMeta: _audio_facts,
    FeatureMeta: _feature_facts,
    ModelMeta: _model_facts,
    ReportMeta: lambda meta: metric_facts(meta.metrics),
    DeploymentMeta: _deployment_facts,
    FirmwareMeta: _firmware_facts,
    ReceiptMeta: lambda meta: [("destination", meta.destination), ("acknowledged", f"{meta.acknowledged:,}")],
}


def _classes(names: Sequence[str]) -> tuple[str, str]:
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return "classes", f"{len(names)}: {listed}"


def by(shape: Iterable[int]) -> str:
    """A shape in words: 40 x 98."""
    return " × ".join(map(str, shape))


def metric_facts(metrics: Mapping[str, float]) -> Facts:
    """Figures with their units; a figure with `_low` and `_high` beside it gets its interval."""
    ends = {f"{name}{end}" for name in metrics for end in ("_low", "_high")}
    return [
        (words(name), metric_text(name, value) + interval_text(name, metrics))
        for name, value in metrics.items()
        if name not in ends
    ]


def words(name: str) -> str:
    """A figure's name without its unit: latency_us becomes "latency"."""
    for ending in UNITS:
        name = name.removesuffix(ending)
    return name.replace("_", " ")


def interval_text(name: str, metrics: Mapping[str, float]) -> str:
    """ " (93.1 to 95.0 %)" if the interval's ends are there."""
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return f" ({100 * low:.1f} to {100 * high:.1f} %)" if low is not None and high is not None else ""


UNITS: Final[Mapping[str, Callable[[float], str]]] = {
    "_us": lambda value: f"{value:,.1f} µs",
    "_ms": lambda value: f"{value:,.1f} ms",
    "_s": duration,
    "_bytes": size,
    "_percent": lambda value: f"{value:.1f} %",
    "_db": lambda value: f"{value:.1f} dB",
}
SHARES: Final = ("accuracy", "uar", "recall", "precision", "f1", "agreement")


def metric_text(name: str, value: float) -> str:
    """One figure in words, its unit taken from its name; accuracies as percent."""
    for ending, tell in UNITS.items():
        if name.endswith(ending):
            return tell(value)
    if any(part in name for part in SHARES) and -1 <= value <= 1:
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.4g}"


# ---- figures


@dataclass(frozen=True)
class Drawn:
    """Figures of one artifact, and why some could not be drawn."""

    figures: tuple[Figure, ...]
    missing: tuple[str, ...] = ()


def figures_of(artifact: Artifact, name: str, source: AudioSet | None = None) -> Drawn:
    """The plots of an artifact.

    Args:
        name: what to call it in titles: its node, or its folder.
        source: the audio that features were computed from, for the waveform above them.
    """
    try:
        drawn = [_features_figure(artifact, source)] if isinstance(artifact, FeatureSet) else _draw(artifact)
        return Drawn(tuple(replace(figure, title=f"{figure.title} · {name}") for figure in drawn))
    except UNREADABLE as error:
        return Drawn((), (f"no plot of {name}: {error or type(error).__name__}",))


def _draw(artifact: Artifact) -> Iterator[Figure]:
    for kind, draw in DRAWERS.items():
        if isinstance(artifact, kind):
            yield from draw(artifact)


def _audio_figures(audio: AudioSet) -> Iterator[Figure]:
    from engine.audio import table_of

    table = table_of(audio)
    clips = table.clips()
    if len(clips):
        yield plot.sound(_sound(audio, clips, sample_row(clips)), "Waveform")
        yield class_counts(clips)


def class_counts(table: ClipTable) -> Figure:
    """Clips per class, the most frequent classes of long lists."""
    from collections import Counter

    found = Counter(table.label.tolist())
    shown = sorted(found.most_common(MOST_CLASSES))
    more = f" ({len(found) - MOST_CLASSES} more classes)" if len(found) > MOST_CLASSES else ""
    return plot.bars(
        [plot.Bar(name or "(none)", count) for name, count in shown], f"Clips per class{more}", "clips", "teal"
    )


def sample_row(table: ClipTable) -> int:
    """The clip to show: the first of a real word in the training part, else the first."""
    labels, subsets = table.label.tolist(), table.subset.tolist()
    good = [row for row, label in enumerate(labels) if label not in QUIET_LABELS]
    training = [row for row in good if subsets[row] in ("training", "")]
    return next(iter([*training[:1], *good[:1], 0]))


def _sound(audio: AudioSet | None, table: ClipTable, row: int) -> plot.Sound:
    from engine.audio import WAVEFORM_FILE, open_h5

    name = f"{table.label[row]} · {table.clip_id[row]}"
    if audio is None:
        return plot.Sound(name, (), 1)
    rate_hz = audio.meta.rate_hz
    count = min(int(table.samples[row]), int(LONGEST_S * rate_hz))
    start = int(table.offset[row])
    with open_h5(audio.file(WAVEFORM_FILE)) as file:
        samples = file["samples"][start : start + count]
    return plot.Sound(name, (samples / 32768.0).tolist(), rate_hz)


def _features_figure(features: FeatureSet, source: AudioSet | None) -> Figure:
    import numpy as np

    from engine.audio import FEATURE_FILE, open_h5, table_of

    table = table_of(features)
    row = sample_row(table)
    with open_h5(features.file(FEATURE_FILE)) as file:
        values = file["features"][row]
    if values.ndim == 3:  # patches follow each other in time
        values = np.concatenate(list(values), axis=-1)
    rows_name = features.meta.layout.split(",")[-2]
    clip = _sound(source, table, row)
    clip = replace(clip, features=values.tolist(), clip_s=_clip_s(features.meta.front_end), rows_name=rows_name)
    return plot.sound(clip, f"Features {by(features.meta.shape)}")


def _clip_s(front_end: Mapping[str, Any]) -> float:
    """Length of the features' time axis."""
    samples = front_end.get("clip_samples", 0) + front_end.get("append_samples", 0)
    return float(samples / front_end.get("rate_hz", 16_000)) or 1.0


def _model_figures(model: Model) -> Iterator[Figure]:
    if (model.path / "curves.json").is_file():
        figure = curve_figure(rows_of_curves(model.json("curves.json")), "Training")
        if figure is not None:
            yield figure
    if (model.path / "quantization.json").is_file():
        yield from _layer_errors(model.json("quantization.json")["layers"])


def _report_figures(report: Report) -> Iterator[Figure]:
    raw = report.json("report.json")
    if "confusion" in raw and len(raw["classes"]) <= MOST_CLASSES:
        yield plot.confusion(raw["confusion"], raw["classes"], "Confusion")
    rows = list(_intervals(raw))
    if rows:
        yield plot.intervals(rows, "Accuracy", "recall per class, whiskers: 95 %")
    if isinstance(raw.get("layers"), list):
        yield from _layer_errors(raw["layers"])
    yield from report_plots.figures(raw, report.path)


def _intervals(raw: Mapping[str, Any]) -> Iterator[plot.Interval]:
    for name in ("accuracy", "uar"):
        if isinstance(raw.get(name), dict):
            entry = raw[name]
            yield plot.Interval(
                "all clips" if name == "accuracy" else name.upper(), entry["value"], entry["low"], entry["high"]
            )
    for row in raw.get("per_class", ())[:MOST_CLASSES]:
        if row.get("recall") is not None and row.get("support"):
            yield plot.Interval(row["class"], row["recall"], *wilson(row["recall"], row["support"]))


def wilson(share: float, trials: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): honest for few clips and near 0 and 1."""
    middle = share + z * z / (2 * trials)
    spare = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (middle - spare) / scale), min(1.0, (middle + spare) / scale)


def _layer_errors(layers: Sequence[Mapping[str, Any]]) -> Iterator[Figure]:
    known = [row for row in layers[:MOST_LAYERS] if row.get("sqnr_db") is not None]
    if known:
        found = [plot.Bar(str(row["layer"]), float(row["sqnr_db"]), str(row.get("operator", ""))) for row in known]
        yield plot.bars(found, "Signal to quantization noise", "dB", "gold", is_share=False)


def _deployment_figures(deployment: Deployment) -> Iterator[Figure]:
    raw = deployment.json("deployment.json")
    layers = raw.get("profile", {}).get("layers", [])[:MOST_LAYERS]
    if layers:
        found = [
            plot.Bar(row["layer"], row["mean_us"], f"{row['operator']}: {row['mean_us']:.2f} µs") for row in layers
        ]
        yield plot.bars(found, "Latency per layer", "µs", "rose")


DRAWERS: Final[Mapping[type[Artifact], Callable[[Any], Iterator[Figure]]]] = {
    AudioSet: _audio_figures,
    Model: _model_figures,
    Report: _report_figures,
    Deployment: _deployment_figures,
}


# ---- curves

Row = Mapping[str, float]
PANELS: Final = (("loss", "", "low"), ("accuracy", "%", "high"), ("learning_rate", "", ""))
LINE_TOKENS: Final = ("accent", "blue", "teal", "violet", "rose", "lime")


def rows_of_events(events: Iterable[Event]) -> dict[str, list[Row]]:
    """Metric events with a step, by node."""
    rows: dict[str, list[Row]] = {}
    for event in events:
        if event.kind == "metric" and "step" in event.values:
            rows.setdefault(event.node, []).append(_numbers(event.values))
    return rows


def rows_of_curves(raw: Any) -> list[Row]:
    """The rows of curves.json: a list of objects, one per step, under "points" or alone; or lists of equal length."""
    if isinstance(raw, dict) and isinstance(raw.get("points"), list):
        raw = raw["points"]
    if isinstance(raw, dict):
        columns = {key: value for key, value in raw.items() if isinstance(value, list)}
        length = min(map(len, columns.values()), default=0)
        raw = [{key: value[index] for key, value in columns.items()} for index in range(length)]
    return [{"step": float(index), **_numbers(row)} for index, row in enumerate(raw)]


def _numbers(row: Mapping[str, Any]) -> Row:
    return {key: value for key, value in row.items() if isinstance(value, (int, float))}


def curve_figure(rows: Sequence[Row], title: str) -> Figure | None:
    """Losses, accuracies, learning rate and what else there is, a panel each; None for fewer than two steps."""
    x = "epoch" if all("epoch" in row for row in rows) else "step"
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in ("step", "epoch")]
    panels = []
    for stem, unit, best in (*PANELS, *((name, "", "") for name in names)):
        chosen = [name for name in names if name == stem or (unit or stem == "loss") and stem in name]
        names = [name for name in names if name not in chosen]
        lines = [_series(rows, x, name, token, unit) for name, token in zip(chosen, LINE_TOKENS, strict=False)]
        series = _judged([line for line in lines if len(line.points) > 1])
        if series:
            panels.append(plot.Panel(stem.replace("_", " "), unit, series, best))
    return plot.curves(panels, title, x) if panels else None


def _judged(lines: list[plot.Series]) -> list[plot.Series]:
    """Where there is a validation line, only its best point counts."""
    unseen = [line.name for line in lines if "val" in line.name]
    return [replace(line, is_judged=not unseen or line.name in unseen) for line in lines]


def _series(rows: Sequence[Row], x: str, name: str, token: str, unit: str) -> plot.Series:
    points = [(row[x], row[name]) for row in rows if name in row]
    scale = 100.0 if unit == "%" and all(abs(y) <= 1 for _, y in points) else 1.0
    return plot.Series(name.replace("_", " "), [(x, y * scale) for x, y in points], token)


def plain(value: Any) -> str:
    """A parameter value for a table."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
