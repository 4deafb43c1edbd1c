"""Node `ossicle.deploy`: from a trained network to an application that runs alone, timed layer by layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from engine import (
    AudioSet,
    Context,
    Deployment,
    DeploymentMeta,
    FeatureSet,
    Model,
    OssicleError,
    Params,
    Report,
    Seconds,
    node,
)
from engine.audio import BACKGROUND, FEATURE_FILE, open_h5, table_of, waveforms
from engine.bench import machine
from nodes.compressing.host import refuse_fixed

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from engine.audio import ClipTable
    from nodes.application import Bundle, Protocol
    from nodes.application.verify import Verification

    Floats = NDArray[np.float32]

NETWORK_FILE = "model.onnx"
WORTH_A_WARNING = 1e-3
"""Verified error, as a share of the logits' range, that the log points out (float models)."""


class DeployParams(Params):
    """How the application listens, and how it is timed and checked."""

    protocol: Literal["s1", "s2", "s4"] = "s1"
    """How latency is measured: s1 (TC-ResNet) 50 runs after 10 warm-ups on 1 thread; s2 (DeepSpectrumLite) 50 runs on 4
    threads; s4 (Bonseyes) 10 runs after 1 warm-up on 1 thread."""
    runs: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Timed runs; 0 takes the protocol's."""
    warmups: Annotated[int, Field(ge=-1, le=10_000)] = -1
    """Discarded runs before them; -1 takes the protocol's."""
    threads: Annotated[int, Field(ge=0, le=256)] = 0
    """Threads of the engine; 0 takes the protocol's."""
    verify_clips: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Clips on which the finished application is compared with the reference."""
    hop_s: Annotated[Seconds, Field(gt=0, le=60)] = 0.25
    """Step between the windows in which longer recordings are heard."""
    smoothing: Annotated[int, Field(ge=1, le=1000)] = 3
    """Windows over which the scores of longer recordings are averaged."""


@dataclass(frozen=True)
class Inputs:
    """What is wired to a deploying node."""

    model: Model
    features: FeatureSet | None
    audio: AudioSet | None
    report: Report | None


@dataclass(frozen=True)
class Clips:
    """What the application is compared on: features (clips, *shape) and, if known, waveforms (clips, samples)."""

    features: Floats
    waveforms: Floats | None
    is_real: bool


@node("ossicle.deploy", version=1, category="Deployment")
def deploy(
    model: Model,
    features: FeatureSet | None,
    audio: AudioSet | None,
    report: Report | None,
    params: DeployParams,
    ctx: Context,
) -> Deployment:
    """Pack a model and its front end into an application that runs alone, and time it.

    The folder holds `model.onnx` and `deployment.json` (labels, front end, digests, protocol, latency per layer,
    memory, verification); `ossicle predict FOLDER AUDIO` needs nothing else. With `features` the finished application
    is compared with the reference network on real clips; with `audio` as well the comparison starts at the waveform.
    Headline figures of `report` travel along.
    """
    from nodes.application import ApplicationError

    refuse_fixed(model)
    try:
        return _deploy(Inputs(model, features, audio, report), params, ctx)
    except ApplicationError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error


def _deploy(inputs: Inputs, params: DeployParams, ctx: Context) -> Deployment:
    from nodes.application import open_application
    from nodes.application.measure import measure
    from nodes.application.verify import verify

    application = open_application(_bundle(inputs.model, params))
    bundle = application.bundle
    clips = comparison_clips(bundle, inputs, params.verify_clips)
    ctx.progress(0.1, f"comparing with the reference on {len(clips.features)} clips")
    verification = verify(application, clips.features, clips.waveforms, is_real=clips.is_real)
    _warn(verification, bundle, ctx)
    facts = {**model_facts(inputs), "verification": verification.to_json()}
    folder = ctx.folder("deployment")
    ctx.link(inputs.model.file(NETWORK_FILE), folder / NETWORK_FILE)
    _write(folder, bundle, facts)
    protocol = _protocol(params)
    ctx.progress(0.4, f"timing: {protocol.source}")
    measured = measure(folder, _timing_clip(bundle, clips), protocol, ctx.check)
    _write(folder, bundle, {**facts, "machine": machine(), **measured})
    return Deployment(folder, _meta(bundle, measured, verification, inputs.report))


def _bundle(model: Model, params: DeployParams) -> Bundle:
    from nodes.application import Listening
    from nodes.application.bundle import bundle_of

    model.file(NETWORK_FILE)  # says so if the artifact is damaged
    bundle = bundle_of(model.path, model.meta.model_dump(mode="json"), f"model {model.path.name}")
    return replace(bundle, listening=Listening(params.hop_s, params.smoothing))


def _protocol(params: DeployParams) -> Protocol:
    from nodes.application import PROTOCOLS

    preset = PROTOCOLS[params.protocol]
    return replace(
        preset,
        runs=params.runs or preset.runs,
        warmups=preset.warmups if params.warmups < 0 else params.warmups,
        threads=params.threads or preset.threads,
    )


def model_facts(inputs: Inputs) -> dict[str, Any]:
    """Counts and headline figures that travel along in deployment.json."""
    meta = inputs.model.meta
    return {
        "parameters": meta.parameters,
        "flops": meta.flops,
        "sparsity": meta.sparsity,
        "metrics": {**meta.metrics, **(inputs.report.meta.metrics if inputs.report else {})},
    }


def _write(folder: Path, bundle: Bundle, facts: dict[str, Any]) -> None:
    from nodes.application.bundle import write_description

    write_description(folder, bundle, facts)


def _meta(
    bundle: Bundle, measured: dict[str, Any], verification: Verification, report: Report | None
) -> DeploymentMeta:
    inference, before = measured["inference"], measured["preprocessing"]
    latency_us = float(inference["median_us"])
    size_bytes = len(bundle.network)
    return DeploymentMeta(
        about=f"{bundle.name} · {bundle.precision} · {latency_us:,.0f} µs · {size_bytes / 1000:,.0f} kB "
        f"· verified on {verification.count} clips",
        target="onnxruntime",
        classes=bundle.labels,
        front_end=asdict(bundle.front_end),
        latency_us=latency_us,
        memory_bytes=measured["memory"]["inference_bytes"],
        verified_error=verification.error,
        metrics={
            **(report.meta.metrics if report else {}),
            "latency_mean_us": inference["mean_us"],
            "latency_std_us": inference["std_us"],
            "preprocessing_us": before["median_us"],
            "size_bytes": size_bytes,
            "agreement": verification.agreement,
        },
    )


def _warn(verification: Verification, bundle: Bundle, ctx: Context) -> None:
    off = verification.error / (verification.logit_range or 1.0)
    if bundle.precision == "float32" and off > WORTH_A_WARNING:
        ctx.log(
            f"The application differs from the reference by {verification.error:.3g} ({off:.1%} of the logits' range). "
            "Were the features made from this audio, and by this front end?",
            "warning",
        )


# ---- the clips to compare on


def comparison_clips(bundle: Bundle, inputs: Inputs, count: int) -> Clips:
    """Evenly spaced clips, of the testing subset where there is one; noise where nothing is wired."""
    features, audio = inputs.features, inputs.audio
    if features is not None:
        _check_front_end(bundle, features)
        rows = _rows(table_of(features), count)
        known = None if audio is None else _waveforms(bundle, audio, table_of(features).take(rows))
        return Clips(_stored(features, rows), known, is_real=True)
    if audio is not None:
        table = table_of(audio)
        waveforms = _waveforms(bundle, audio, table.take(_rows(table, count)))
        return Clips(_computed(bundle, waveforms), waveforms, is_real=True)
    waveforms = _noise(bundle, count)
    return Clips(_computed(bundle, waveforms), waveforms, is_real=False)


def _rows(table: ClipTable, count: int) -> NDArray[np.int64]:
    import numpy as np

    testing = np.flatnonzero(table.subset == "testing")
    rows = testing if len(testing) else np.flatnonzero(table.subset != BACKGROUND)
    if not len(rows):
        raise OssicleError("there is no clip to compare on", "at least one", "Check the ingest node's problems")
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(np.int64))]


def _check_front_end(bundle: Bundle, features: FeatureSet) -> None:
    from nodes.application.bundle import make_front_end

    if make_front_end(features.meta.front_end, "the features") != bundle.front_end:
        raise OssicleError(
            "the features were made by another front end than the model's",
            "the features the model was trained on",
            "Wire the feature node that the train node uses, or nothing",
        )


def _stored(features: FeatureSet, rows: NDArray[np.int64]) -> Floats:
    with open_h5(features.file(FEATURE_FILE)) as file:
        kept: Floats = file["features"][rows]
    return kept


def _computed(bundle: Bundle, waveforms: Floats) -> Floats:
    from nodes.dsp.frontend import compute

    return compute(bundle.front_end, waveforms)


def _waveforms(bundle: Bundle, audio: AudioSet, wanted: ClipTable) -> Floats:
    """Clips (clips, clip_samples) of an audio set, in the order of `wanted`; found by id and digest."""
    import numpy as np

    from nodes.dsp.frontend import fit

    table = table_of(audio)
    place = {name: row for row, name in enumerate(table.clip_id.tolist())}
    rows = [place.get(name, -1) for name in wanted.clip_id.tolist()]
    pairs = zip(rows, wanted.sha256.tolist(), strict=True)
    foreign = [row < 0 or digest not in ("", table.sha256[row]) for row, digest in pairs]
    if any(foreign):
        raise OssicleError(
            f"{sum(foreign)} of {len(rows)} clips of the features are not in the audio set",
            "the audio that the features were made from",
            "Wire the audio output that the feature node reads, or nothing",
        )
    clips = waveforms(audio, table.take(np.array(rows)))
    return np.stack([fit(bundle.front_end, _as_float(clip), audio.meta.rate_hz) for clip in clips])


def _as_float(samples: NDArray[np.int16]) -> Floats:
    import numpy as np

    return samples.astype(np.float32) / np.float32(32768)


def _noise(bundle: Bundle, count: int) -> Floats:
    """Seeded noise at levels from -60 dB to 0 dB: there are no clips, but the engine can still be checked."""
    import numpy as np

    rng = np.random.default_rng(0)
    levels = 10.0 ** rng.uniform(-3.0, 0.0, (count, 1))
    return (rng.uniform(-1.0, 1.0, (count, bundle.front_end.clip_samples)) * levels).astype(np.float32)


def _timing_clip(bundle: Bundle, clips: Clips) -> Floats:
    clip: Floats = (_noise(bundle, 1) if clips.waveforms is None else clips.waveforms)[0]
    return clip
