"""Type words, get a data set: many synthetic voices say them, in rooms and over noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from engine import AudioSet, Context, OssicleError, Params, Seconds, node
from engine.audio import AudioWriter, Clip
from engine.params import Decibels, Percent
from nodes.clips import audio_set

if TYPE_CHECKING:
    from nodes.dsp.layout import Item
    from nodes.dsp.speak import SpeakOptions

TELL_EVERY = 64


class SpeakParams(Params):
    """The words, the voices, the rooms and the noise."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Words", ["words", "clips_per_word", "unknown_percent", "other_words", "silence_percent", "clip_s"]],
                ["Voices", ["voices", "languages", "pitch_spread", "speed_spread"]],
                ["Room and noise", [
                    "room_percent", "max_reverb_s", "noise_percent", "min_snr_db", "max_snr_db", "background_s",
                ]],
                ["Result", ["rate_hz", "seed"]],
            ]
        }
    )  # fmt: skip

    words: Annotated[tuple[str, ...], Field(min_length=1)] = ("yes", "no", "stop", "go")
    """What to say; each is a class."""
    clips_per_word: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Clips of each word, the voices taking turns."""
    voices: Annotated[int, Field(ge=1, le=1000)] = 40
    """Speakers: accents and voices of espeak-ng, each with a vocal tract, pitch and speed of its own."""
    languages: Annotated[tuple[str, ...], Field(min_length=1)] = ("en",)
    """Languages that speakers come from, with all their accents: en, de, fr, pt-br."""
    clip_s: Annotated[Seconds, Field(gt=0.1, le=60)] = 1.0
    """Length of every clip."""
    rate_hz: Annotated[int, Field(ge=4000, le=48_000, json_schema_extra={"unit": "Hz"})] = 16_000
    """Sampling rate of the result."""
    pitch_spread: Annotated[int, Field(ge=0, le=50)] = 12
    """How far a clip's pitch may be from its speaker's usual one, of espeak's 0 to 99."""
    speed_spread: Annotated[float, Field(ge=0, le=0.9)] = 0.2
    """How far a clip's speed may be from its speaker's usual one, as a share."""
    room_percent: Annotated[Percent, Field(ge=0, le=100)] = 50.0
    """Share of clips with reverberation."""
    max_reverb_s: Annotated[Seconds, Field(ge=0.1, le=3)] = 0.5
    """Longest time in which the reverberation falls by 60 dB."""
    noise_percent: Annotated[Percent, Field(ge=0, le=100)] = 70.0
    """Share of clips with noise: white, pink, brown, hum or babble."""
    min_snr_db: Annotated[Decibels, Field(ge=-20, le=80)] = 5.0
    """Loudest noise: speech is so much above it."""
    max_snr_db: Annotated[Decibels, Field(ge=-20, le=80)] = 30.0
    """Faintest noise."""
    unknown_percent: Annotated[Percent, Field(ge=0, le=1000)] = 10.0
    """Clips of other words (class `unknown`), as a share of the words' clips. 0 makes no such class."""
    silence_percent: Annotated[Percent, Field(ge=0, le=1000)] = 10.0
    """Clips of faint noise (class `silence`), likewise."""
    other_words: tuple[str, ...] = ()
    """The words of the class `unknown`; empty takes a built-in list of common English words."""
    background_s: Annotated[Seconds, Field(ge=0, le=600)] = 20.0
    """Length of each of five noise tracks for augmentation. 0 makes none."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Chooses voices and all that is random; the same seed gives the same bytes."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.min_snr_db > self.max_snr_db:
            raise ValueError(f"min_snr_db {self.min_snr_db:g} is above max_snr_db {self.max_snr_db:g}; swap them")
        wrong = [word for word in self.words if not word.strip() or word in ("unknown", "silence", "background")]
        if wrong or len(set(self.words)) < len(self.words):
            raise ValueError(
                f"words {self.words} has empty, reserved ({', '.join(wrong)}) or repeated entries; "
                "expected different words, not unknown, silence or background; correct them"
            )
        return self


@node("ossicle.speak", version=1, category="Data")
def speak(params: SpeakParams, ctx: Context) -> AudioSet:
    """A data set made of words alone: espeak-ng says them in many voices; the voice is the speaker.

    Classes are the words, then `unknown` and `silence`; noise tracks become the subset `background`.
    """
    from nodes.dsp.errors import SourceError
    from nodes.dsp.speak import plan, spoken

    folder = ctx.folder("audio")
    try:
        options = _options(params)
        utterances = plan(options)
        with AudioWriter(folder) as writer:
            for number, (item, wave) in enumerate(spoken(utterances, options)):
                if number % TELL_EVERY == 0:
                    ctx.progress(number / (len(utterances) + 5), f"speaking {number:,} of {len(utterances):,} clips")
                writer.add(_clip(item), wave.samples, wave.sha256)
    except SourceError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    if writer.table is None:
        raise AssertionError("a closed writer has a table")
    present = set(writer.table.label.tolist())
    classes = [name for name in (*params.words, "unknown", "silence") if name in present]
    made = audio_set(folder, writer.table, params.rate_hz, classes, licence="synthetic speech (espeak-ng)")
    ctx.log(made.meta.about)
    return made


def _options(params: SpeakParams) -> SpeakOptions:
    from nodes.dsp.speak import SpeakOptions
    from nodes.dsp.speak_voices import OTHER_WORDS

    values = params.model_dump()
    return SpeakOptions(**{**values, "other_words": params.other_words or OTHER_WORDS})


def _clip(item: Item) -> Clip:
    return Clip(item.clip_id, item.label, item.speaker, item.source, item.subset)
