"""Words to clips: who says what how, said by espeak-ng, put into a room, mixed with noise, cut to length."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from nodes.dsp.errors import SourceError
from nodes.dsp.layout import BACKGROUND, SILENCE, UNKNOWN, Item, rank, share
from nodes.dsp.read import Wave
from nodes.dsp.room import NOISES, Samples, babble, impulse_response, mixed, reverberated
from nodes.dsp.speak_espeak import RATE_HZ, Request, data_folder, say
from nodes.dsp.speak_voices import OTHER_WORDS, Voice, accents, cast

_QUIET = 0.01
_PEAK = (0.15, 0.9)
_SILENCE_PEAK = (0.0, 0.1)
_BABBLE_VOICES = 40


@dataclass(frozen=True)
class SpeakOptions:
    """What to say and how.

    Attributes:
        voices: number of speakers.
        pitch_spread: a clip's pitch differs by up to so much from its speaker's usual one (espeak units).
        speed_spread: a clip's speed, likewise, as a share (0.2: 20 % slower to 20 % faster).
        room_percent, noise_percent: share of clips in a room, and with noise.
        background_s: length of each noise track; 0 makes none.
    """

    words: tuple[str, ...]
    clips_per_word: int = 100
    voices: int = 40
    languages: tuple[str, ...] = ("en",)
    clip_s: float = 1.0
    rate_hz: int = 16_000
    pitch_spread: int = 12
    speed_spread: float = 0.2
    room_percent: float = 50.0
    max_reverb_s: float = 0.5
    noise_percent: float = 70.0
    min_snr_db: float = 5.0
    max_snr_db: float = 30.0
    unknown_percent: float = 10.0
    silence_percent: float = 10.0
    other_words: tuple[str, ...] = OTHER_WORDS
    background_s: float = 20.0
    seed: int = 0


@dataclass(frozen=True)
class Utterance:
    """One clip to be: its row, and the request for espeak-ng (None: no speech)."""

    item: Item
    voice: Voice | None = None
    request: Request | None = None


def plan(options: SpeakOptions) -> list[Utterance]:
    """Every clip, in order: keywords, unknown words, silence. Voices take turns, so each says each word as often.

    Raises:
        SourceError: a language espeak-ng does not know, or espeak-ng is missing.
    """
    data = data_folder()
    known = [name for language in options.languages for name in accents(data, language)]
    voices = cast(options.voices, known, options.seed)
    takes = range(options.clips_per_word)
    spoken = [_utterance(word, word, take, voices, options) for word in options.words for take in takes]
    others = [word for word in options.other_words if word not in options.words]
    others.sort(key=lambda word: rank(options.seed, word))
    extra = share(len(spoken), options.unknown_percent) if others else 0
    unknown = [_utterance(UNKNOWN, others[k % len(others)], k, voices, options) for k in range(extra)]
    still = range(share(len(spoken), options.silence_percent))
    return [*spoken, *unknown, *(Utterance(Item(f"_silence_/{k:05d}", "", SILENCE)) for k in still)]


def _utterance(label: str, word: str, take: int, voices: list[Voice], options: SpeakOptions) -> Utterance:
    offset = int.from_bytes(rank(options.seed, word)[:4])  # not every word begins with the same voice
    voice = voices[(take + offset) % len(voices)]
    clip_id = f"{label}/{voice.name}_{word}_{take:05d}"
    dice = _dice(options.seed, f"say {clip_id}")
    pitch = voice.pitch + int(dice.integers(-options.pitch_spread, options.pitch_spread + 1))
    speed = voice.speed_wpm * (1 + dice.uniform(-options.speed_spread, options.speed_spread))
    request = Request(
        text=word,
        voice=f"{voice.accent}+{voice.variant}",
        pitch=min(max(pitch, 0), 99),
        pitch_range=int(dice.integers(20, 80)),
        speed_wpm=min(max(round(speed), 80), 450),
    )
    return Utterance(Item(clip_id, "", label, voice.name, source=clip_id), voice, request)


def _dice(seed: int, name: str) -> np.random.Generator:
    """Random numbers of one clip: they depend on its name, not on what was drawn before."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16]))


def spoken(utterances: list[Utterance], options: SpeakOptions) -> Iterator[tuple[Item, Wave]]:
    """The clips of a plan, then the noise tracks, as rows and waveforms; equal options give equal bytes.

    Raises:
        SourceError: espeak-ng said nothing for a word, or stopped.
    """
    tracks = _tracks(options)
    voices = say([one.request for one in utterances if one.request])
    for one in utterances:
        speech = _speech(one, next(voices), options.rate_hz) if one.request else np.zeros(0, np.float32)
        yield one.item, _wave(_staged(one.item, speech, tracks, options))
    for name, track in tracks.items() if options.background_s else ():
        yield Item(f"_background_noise_/{name}", "", BACKGROUND, subset=BACKGROUND), _wave(0.5 * track)


def _tracks(options: SpeakOptions) -> Mapping[str, Samples]:
    count = round(max(options.background_s, 4 * options.clip_s) * options.rate_hz)
    dice = _dice(options.seed, "noise")
    tracks = {name: make(count, options.rate_hz, dice) for name, make in NOISES.items()}
    return {**tracks, "babble": babble(_crowd(options), count, dice)}


def _crowd(options: SpeakOptions) -> list[Samples]:
    """Voices of people who are not in the data set, saying other words."""
    known = [name for language in options.languages for name in accents(data_folder(), language)]
    strangers = cast(_BABBLE_VOICES, known, options.seed + 1)
    asked = [
        _utterance("babble", OTHER_WORDS[k % len(OTHER_WORDS)], k, strangers, options) for k in range(_BABBLE_VOICES)
    ]
    waves = say([one.request for one in asked if one.request])
    return [_speech(one, wave, options.rate_hz) for one, wave in zip(asked, waves, strict=True)]


def _speech(one: Utterance, samples: NDArray[np.int16], rate_hz: int) -> Samples:
    """Trimmed, with the speaker's vocal tract, at the wanted rate, peak 1."""
    peak = int(np.abs(samples.astype(np.int32)).max(initial=0))
    if not peak or one.voice is None or one.request is None:
        text = one.request.text if one.request else ""
        raise SourceError(
            f"espeak-ng says nothing for {text!r}", "words that can be spoken", "Correct words or languages"
        )
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _QUIET * peak)
    trimmed = samples[loud[0] : loud[-1] + 1].astype(np.float32) / peak
    # played faster by `tract`, then resampled: all frequencies of the voice move by that factor
    resampled: Samples = soxr.resample(trimmed, RATE_HZ * one.voice.tract, rate_hz, quality="HQ")
    return resampled


def _staged(item: Item, speech: Samples, tracks: Mapping[str, Samples], options: SpeakOptions) -> Samples:
    """The clip (samples,): speech at a random place, in a room, over noise; silence is faint noise only."""
    dice = _dice(options.seed, item.clip_id)
    count = round(options.clip_s * options.rate_hz)
    noise = _crop(tracks, count, dice)
    if item.label == SILENCE and not len(speech):
        return noise * np.float32(dice.uniform(*_SILENCE_PEAK))
    if dice.random() * 100 < options.room_percent:
        response = impulse_response(options.rate_hz, dice.uniform(0.1, options.max_reverb_s), dice.random(), dice)
        placed = _placed(speech, count, dice, response)
    else:
        placed = _placed(speech, count, dice, None)
    if dice.random() * 100 < options.noise_percent:
        placed = mixed(placed, noise, dice.uniform(options.min_snr_db, options.max_snr_db))
    peak = float(np.abs(placed).max(initial=0.0))
    scaled: Samples = placed * np.float32(dice.uniform(*_PEAK) / peak if peak else 0.0)
    return scaled


def _placed(speech: Samples, count: int, dice: np.random.Generator, response: Samples | None) -> Samples:
    start = int(dice.integers(0, max(count - len(speech), 0) + 1))
    wet = speech if response is None else reverberated(speech, response)
    clip = np.zeros(count, np.float32)
    inside = wet[: count - start]  # a word longer than the clip loses its end
    clip[start : start + len(inside)] = inside
    return clip


def _crop(tracks: Mapping[str, Samples], count: int, dice: np.random.Generator) -> Samples:
    track = tracks[sorted(tracks)[int(dice.integers(len(tracks)))]]
    start = int(dice.integers(0, len(track) - count + 1))
    return track[start : start + count]


def _wave(samples: Samples) -> Wave:
    rounded = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    return Wave(rounded, hashlib.sha256(rounded.data).hexdigest())
