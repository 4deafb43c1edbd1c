"""Headline figures of a node: from its metric rows while it runs, from its artifacts when it is done. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from engine.artifact import Artifact, AudioMeta, DeploymentMeta, FeatureMeta, FirmwareMeta, ModelMeta, ReceiptMeta
from studio.form.values import size_text

MOST: Final = 6


class Figure(NamedTuple):
    """One tile: a quiet label, a number people read first, and what to say about it."""

    label: str
    value: str
    about: str = ""


def percent(share: float) -> str:
    """A share of 1 as people say it."""
    return f"{100 * share:.1f} %"


def micro(us: float) -> str:
    """Microseconds, or milliseconds where there are many."""
    return f"{us / 1000:.3g} ms" if us >= 1000 else f"{us:.3g} µs"


def short(value: float) -> str:
    """Three figures; thousands with commas."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def large(value: float) -> str:
    """Millions and thousands: 6.57 M, 145 k."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}"


class Known(NamedTuple):
    """How a metric is shown: label, words for its value, and whether its best row counts rather than the last."""

    label: str
    words: Callable[[float], str] = short
    best: Callable[[Iterable[float]], float] | None = None


METRICS: Final[Mapping[str, Known]] = {
    "validation_accuracy": Known("validation", percent, max),
    "accuracy": Known("accuracy", percent),
    "uar": Known("average recall", percent),
    "validation_loss": Known("validation loss", short, min),
    "loss": Known("loss"),
    "samples_per_s": Known("samples / s"),
    "clips_per_s": Known("clips / s"),
    "latency_us": Known("latency", micro),
    "latency_mean_us": Known("mean latency", micro),
    "preprocessing_us": Known("front end", micro),
    "size_bytes": Known("size", size_text),
    "ram_bytes": Known("RAM", size_text),
    "flash_bytes": Known("flash", size_text),
    "roc_area": Known("ROC area"),
    "agreement": Known("agreement", percent),
    "learning_rate": Known("learning rate"),
}
"""By metric name, the most telling first."""


def of_rows(rows: Sequence[Mapping[str, float]]) -> list[Figure]:
    """Figures while it runs: the best validation so far, the last of the others."""
    found = []
    for name, known in METRICS.items():
        values = [row[name] for row in rows if name in row]
        if not values:
            continue
        value = known.best(values) if known.best is not None else values[-1]
        about = (
            f"best of {len(values)}, now {known.words(values[-1])}" if known.best is not None else f"{name}, last row"
        )
        found.append(Figure(known.label, known.words(value), about))
    return found


def of_artifact(artifact: Artifact) -> list[Figure]:
    """Figures of a finished output."""
    meta = artifact.meta
    own = _OF_META.get(type(meta))
    found = own(meta) if own is not None else []
    metrics: Mapping[str, float] = getattr(meta, "metrics", {})
    taken = {figure.label for figure in found}
    told = [
        Figure(known.label, known.words(metrics[name]), interval(metrics, name, known.words))
        for name, known in METRICS.items()
        if name in metrics and known.label not in taken
    ]
    return [*told, *found] if metrics and not isinstance(meta, DeploymentMeta) else [*found, *told]


def interval(metrics: Mapping[str, float], name: str, words: Callable[[float], str]) -> str:
    """The metric's 95 % interval in words, or its name."""
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return f"95 % interval {words(low)} to {words(high)}" if low is not None and high is not None else name


def _audio(meta: AudioMeta) -> list[Figure]:
    speakers = meta.counts.get("speakers", 0)
    return [
        Figure("clips", f"{meta.counts.get('clips', 0):,}", f"{meta.minutes:.1f} minutes"),
        Figure("classes", str(len(meta.classes)), ", ".join(meta.classes)),
        *([Figure("speakers", f"{speakers:,}")] if speakers else []),
        *([Figure("left out", f"{len(meta.problems):,}", "files that could not be used")] if meta.problems else []),
    ]


def _features(meta: FeatureMeta) -> list[Figure]:
    return [
        Figure("a clip", " × ".join(map(str, meta.shape)), meta.layout),
        Figure("clips", f"{meta.counts.get('clips', sum(meta.counts.values())):,}"),
    ]


def _model(meta: ModelMeta) -> list[Figure]:
    flops = meta.flops.get("true")
    return [
        Figure("size", size_text(meta.size_bytes), meta.precision),
        Figure("parameters", large(meta.parameters), f"{meta.parameters:,}"),
        *([Figure("operations", large(flops), f"{flops:,.0f} per inference (2 x multiply-adds)")] if flops else []),
    ]


def _deployment(meta: DeploymentMeta) -> list[Figure]:
    return [
        Figure("latency", micro(meta.latency_us), f"median of one inference on {meta.target}"),
        Figure("memory", size_text(meta.memory_bytes)),
    ]


def _firmware(meta: FirmwareMeta) -> list[Figure]:
    return [
        Figure("RAM", size_text(meta.ram_bytes), meta.target),
        Figure("flash", size_text(meta.flash_bytes), meta.target),
    ]


def _receipt(meta: ReceiptMeta) -> list[Figure]:
    return [Figure("acknowledged", f"{meta.acknowledged:,}", meta.destination)]


_OF_META: Final[Mapping[type, Callable[..., list[Figure]]]] = {
    AudioMeta: _audio, FeatureMeta: _features, ModelMeta: _model, DeploymentMeta: _deployment, FirmwareMeta: _firmware,
    ReceiptMeta: _receipt,
}  # fmt: skip


def figures(rows: Sequence[Mapping[str, float]], artifacts: Sequence[Artifact], is_running: bool) -> tuple[Figure, ...]:
    """What to show: rows while it runs, else the outputs; without outputs what the rows tell."""
    found = [] if is_running and rows else [figure for artifact in artifacts for figure in of_artifact(artifact)]
    return tuple((found or of_rows(rows))[:MOST])
