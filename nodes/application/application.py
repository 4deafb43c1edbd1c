"""The AI application: pre-processing and inference engine together, from waveform to label (S0; S4 6.1.1)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from nodes.application import windows
from nodes.application.bundle import Bundle, Listening, load_bundle
from nodes.application.engines import Choice, Engine, open_engine
from nodes.application.errors import ApplicationError
from nodes.application.windows import Waveform

Floats = NDArray[np.float32]

BATCH_WINDOWS: Final = 64


@dataclass(frozen=True)
class Prediction:
    """What was heard.

    Attributes:
        score: the label's, 0 to 1.
        scores: of every class, in the model's order.
        start_s: where the reported window begins.
        windows: how many were heard.
    """

    label: str
    score: float
    scores: Mapping[str, float]
    start_s: float
    windows: int


@dataclass(frozen=True)
class Application:
    """A bundle with its network opened.

    Attributes:
        note: why what was measured fastest is not used; empty otherwise.
    """

    bundle: Bundle
    engine: Engine
    note: str = ""

    def logits(self, waveforms: Floats) -> Floats:
        """Logits (batch, classes) of clips (batch, front_end.clip_samples) at the front end's rate, in [-1, 1)."""
        return self.engine.hear(waveforms)

    def predict(self, waveform: Waveform, rate_hz: int) -> Prediction:
        """Say what a recording (samples,) of any rate and length holds; float32 in [-1, 1) or int16.

        Longer ones are heard in windows whose scores are smoothed; the best window is reported. Samples of the right
        rate are converted window by window, so that an hour of int16 stays an hour of int16.

        Raises:
            ApplicationError: no sample, or samples that are not finite numbers.
        """
        _check(waveform)
        heard, front_end = self.bundle.listening, self.bundle.front_end
        samples = _at_rate(waveform, rate_hz, front_end.rate_hz)
        hop = max(1, round(heard.hop_s * front_end.rate_hz))
        firsts = windows.starts(len(samples), front_end.clip_samples, hop)
        logits = np.concatenate(list(self._batches(samples, firsts)))
        scores = windows.smooth(windows.softmax(logits), heard.smoothing)
        row = windows.best(scores, self.bundle.labels)
        chosen = dict(zip(self.bundle.labels, scores[row].tolist(), strict=True))
        label = max(chosen, key=lambda name: chosen[name])
        return Prediction(label, chosen[label], chosen, float(firsts[row]) / front_end.rate_hz, len(firsts))

    def _batches(self, samples: Waveform, firsts: NDArray[np.int64]) -> Iterator[Floats]:
        for first in range(0, len(firsts), BATCH_WINDOWS):
            batch = firsts[first : first + BATCH_WINDOWS]
            yield self.logits(_as_float(windows.cut(samples, batch, self.bundle.front_end.clip_samples)))


def load(path: Path, *, threads: int = 1, listening: Listening | None = None, engine: Choice = "auto") -> Application:
    """Open a deployment or a trained model; see `load_bundle`.

    Raises:
        ApplicationError: it cannot be used; says why and what to do.
    """
    bundle = load_bundle(path)
    return open_application(replace(bundle, listening=listening) if listening else bundle, threads, engine)


def open_application(bundle: Bundle, threads: int = 1, engine: Choice = "auto") -> Application:
    """Open the network of a bundle and check that it fits labels and front end.

    Raises:
        ApplicationError: it is no ONNX model, does not fit, or the engine asked for cannot be used.
    """
    application = Application(bundle, *open_engine(bundle, threads, engine))
    if bundle.input_shape != bundle.front_end.shape:
        raise _mismatch("input shape", bundle.input_shape, bundle.front_end.shape)
    try:
        shape = application.logits(np.zeros((1, bundle.front_end.clip_samples), np.float32)).shape
    except Exception as error:  # onnxruntime raises its own classes, all straight from Exception
        reason = str(error).strip().splitlines()[0][:200]
        raise ApplicationError(
            f"the network of {bundle.name} does not take its front end's features ({reason})",
            f"an input (batch, {', '.join(map(str, bundle.front_end.shape))})",
            "Train the model again on these features",
        ) from error
    if shape != (1, len(bundle.labels)):
        raise _mismatch("output shape", shape[1:], (len(bundle.labels),))
    return application


def _mismatch(what: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> ApplicationError:
    return ApplicationError(f"the network's {what} is {found}", str(wanted), "Train the model again on these features")


def _check(waveform: Waveform) -> None:
    if not len(waveform):
        raise ApplicationError("the recording has no samples", "at least one", "Record it again")
    if not np.isfinite(waveform).all():
        raise ApplicationError("the recording holds NaN or infinite samples", "finite samples", "Export it again")


def _at_rate(waveform: Waveform, rate_hz: int, wanted_hz: int) -> Waveform:
    if rate_hz == wanted_hz:
        return waveform
    resampled: Floats = soxr.resample(_as_float(waveform), rate_hz, wanted_hz)
    return resampled if len(resampled) else np.zeros(1, np.float32)


def _as_float(samples: Waveform) -> Floats:
    is_whole = samples.dtype == np.int16
    return samples.astype(np.float32) / np.float32(32768) if is_whole else samples.astype(np.float32, copy=False)
