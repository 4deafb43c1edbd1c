"""`FrontEnd`: every number that decides what features a waveform becomes. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple


class Problem(NamedTuple):
    """One thing wrong with a front end: what is wrong, what was expected, what to do."""

    what: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. Expected: {self.expected}. {self.remedy}."


class FrontEndError(ValueError):
    """A front end or a waveform that cannot be used; `problems` lists everything found wrong."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(" ".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class FrontEnd:
    """From a waveform to MFCC or log-mel features. `FrontEnd(**asdict(front_end))` gives the same one back.

    Steps: padding, frames times a periodic Hann window, |DFT| to the power `power`, mel bands, logarithm,
    DCT-II, patches. The window lies in the middle of the FFT, so zero-padding changes phases only.

    Raises:
        FrontEndError: values that contradict each other; all of them are listed.
    """

    rate_hz: int = 16_000
    clip_samples: int = 16_000
    window_samples: int = 480
    hop_samples: int = 160
    fft_samples: int = 512
    window: Literal["periodic_hann"] = "periodic_hann"
    centred: bool = False
    """Frame t is centred on sample t * hop (half a window of padding at both ends), or starts there."""
    padding: Literal["zeros", "reflect"] = "zeros"
    """What lies beyond the ends of a centred clip."""
    append_samples: int = 0
    """Zeros put after the clip, so that a whole number of patches fits."""
    n_mels: int = 64
    f_min_hz: float = 80.0
    f_max_hz: float = 7_600.0
    mel_scale: Literal["htk", "slaney"] = "htk"
    mel_triangles: Literal["mel", "hz"] = "mel"
    """Bands are triangles over the mel axis (TensorFlow) or over the frequency axis (librosa)."""
    area_normalised: bool = False
    """Divide each band by its width, so that white noise gives equal bands."""
    power: Literal[1, 2] = 2
    """Bands sum the magnitude (1) or the power (2) of the spectrum."""
    log: Literal["ln", "db"] = "ln"
    """ln(band + log_offset), or 10 log10(max(band, db_floor)) cut off db_range below the clip's maximum."""
    log_offset: float = 1e-6
    db_floor: float = 1e-10
    db_range: float = 80.0
    n_mfcc: int = 40
    """Coefficients kept from the DCT-II; 0 gives log-mel bands without a DCT."""
    dct: Literal["uniform", "orthonormal"] = "uniform"
    """Scale of the DCT: sqrt(2/M) throughout, or sqrt(1/M) for the first coefficient."""
    patch_frames: int = 0
    """Cut the frames into patches of this many; 0 leaves one matrix per clip."""

    def __post_init__(self) -> None:
        problems = tuple(_problems(self))
        if problems:
            raise FrontEndError(*problems)

    @property
    def pad_samples(self) -> int:
        """Samples of padding before the clip, and as many after it."""
        return self.fft_samples // 2 - (self.fft_samples - self.window_samples) // 2 if self.centred else 0

    @property
    def frames(self) -> int:
        """Frames of one clip: 1 + n div hop when centred, 1 + (n - window) div hop otherwise."""
        samples = self.clip_samples + self.append_samples
        return 1 + (samples if self.centred else samples - self.window_samples) // self.hop_samples

    @property
    def coefficients(self) -> int:
        """Rows of a feature matrix: cepstral coefficients or mel bands."""
        return self.n_mfcc or self.n_mels

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one clip's features: (coefficients, frames) or (patches, coefficients, patch frames)."""
        if not self.patch_frames:
            return (self.coefficients, self.frames)
        return (self.frames // self.patch_frames, self.coefficients, self.patch_frames)

    @property
    def layout(self) -> str:
        """Names of the axes of `shape`, for example "coefficients,frames"."""
        axes = ("coefficients" if self.n_mfcc else "mels", "frames")
        return ",".join(("patches", *axes) if self.patch_frames else axes)


class _Check(NamedTuple):
    """A rule between fields: when it is broken, and how to say so; texts are filled from the front end."""

    broken: Callable[[FrontEnd], bool]
    what: str
    expected: str
    remedy: str


_POSITIVE = (
    "rate_hz",
    "clip_samples",
    "window_samples",
    "hop_samples",
    "fft_samples",
    "n_mels",
    "db_floor",
    "db_range",
)
_NOT_NEGATIVE = ("append_samples", "n_mfcc", "patch_frames", "log_offset", "f_min_hz")
_CHOICES = {
    "window": ("periodic_hann",),
    "padding": ("zeros", "reflect"),
    "mel_scale": ("htk", "slaney"),
    "mel_triangles": ("mel", "hz"),
    "power": (1, 2),
    "log": ("ln", "db"),
    "dct": ("uniform", "orthonormal"),
}
_RULES = (
    _Check(
        lambda f: f.n_mfcc > f.n_mels,
        "n_mfcc is {f.n_mfcc}",
        "at most n_mels ({f.n_mels})",
        "Lower n_mfcc or raise n_mels",
    ),
    _Check(
        lambda f: f.f_max_hz > f.rate_hz / 2,
        "f_max_hz is {f.f_max_hz:g}",
        "at most half the rate ({f.rate_hz} Hz / 2)",
        "Lower f_max_hz or use a higher rate",
    ),
    _Check(
        lambda f: not f.f_min_hz < f.f_max_hz,
        "f_min_hz is {f.f_min_hz:g}",
        "less than f_max_hz ({f.f_max_hz:g})",
        "Lower f_min_hz or raise f_max_hz",
    ),
    _Check(
        lambda f: f.window_samples > f.fft_samples,
        "window_samples is {f.window_samples}",
        "at most fft_samples ({f.fft_samples})",
        "Shorten the window or lengthen the FFT",
    ),
    _Check(
        lambda f: f.fft_samples % 2 != 0,
        "fft_samples is {f.fft_samples}",
        "an even number",
        "Use a power of two, for example 512",
    ),
    _Check(
        lambda f: f.hop_samples > 0 and f.frames < 1,
        "the clip has {f.clip_samples} samples and {f.append_samples} appended zeros",
        "at least one window ({f.window_samples} samples)",
        "Lengthen the clip, shorten the window or centre the frames",
    ),
    _Check(
        lambda f: f.hop_samples > 0 and 1 <= f.frames < f.patch_frames,
        "patch_frames is {f.patch_frames}",
        "at most the frames of a clip ({f.frames})",
        "Lengthen the clip or make patches shorter",
    ),
    _Check(
        lambda f: f.padding == "reflect" and f.pad_samples >= f.clip_samples > 0,
        "the clip has {f.clip_samples} samples",
        "more than the {f.pad_samples} samples reflected at its ends",
        "Lengthen the clip, shorten the window or pad with zeros",
    ),
    _Check(
        lambda f: f.log == "ln" and f.log_offset == 0,
        "log_offset is 0",
        "a positive number, as ln(0) is not a number",
        "Use 1e-6 or another small offset",
    ),
)


def _problems(front_end: FrontEnd) -> Iterator[Problem]:
    values = {name: getattr(front_end, name) for name in (*_POSITIVE, *_NOT_NEGATIVE, *_CHOICES, "f_max_hz")}
    for name in _POSITIVE:
        if not values[name] > 0:
            yield Problem(f"{name} is {values[name]:g}", "a positive number", f"Raise {name}")
    for name in _NOT_NEGATIVE:
        if not values[name] >= 0:
            yield Problem(f"{name} is {values[name]:g}", "zero or a positive number", f"Raise {name}")
    for name, choices in _CHOICES.items():
        if values[name] not in choices:
            listed = ", ".join(map(str, choices))
            yield Problem(f"{name} is {values[name]!r}", f"one of {listed}", f"Choose one of these for {name}")
    for rule in _RULES:
        if rule.broken(front_end):
            yield Problem(*(text.format(f=front_end) for text in rule[1:]))
