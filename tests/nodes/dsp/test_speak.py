"""Voices, plans and the espeak-ng process behind the speak node."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from nodes.dsp import speak_espeak
from nodes.dsp.errors import SourceError
from nodes.dsp.speak import SpeakOptions, plan
from nodes.dsp.speak_espeak import Request, data_folder, say
from nodes.dsp.speak_voices import OTHER_WORDS, VARIANTS, accents, cast

HELLO = Request("hello", "en-us+f2", 50, 50, 170)


def test_every_variant_exists() -> None:
    present = {path.name for path in (data_folder() / "voices" / "!v").iterdir()}
    assert set(VARIANTS) <= present and len(set(VARIANTS)) == len(VARIANTS) > 60


def test_accents() -> None:
    english = accents(data_folder(), "en")
    assert {"en", "en-us", "en-gb-scotland"} <= set(english) and "en-shaw" not in english
    assert accents(data_folder(), "EN-US") == ["en-us", "en-us-nyc"]
    with pytest.raises(SourceError, match="unknown to espeak-ng"):
        accents(data_folder(), "klingon")


def test_every_english_voice_can_be_heard() -> None:
    english = accents(data_folder(), "en")
    requests = [
        Request("yes", f"{english[n % len(english)]}+{variant}", 50, 50, 170) for n, variant in enumerate(VARIANTS)
    ]
    for request, wave in zip(requests, say(requests), strict=True):
        assert len(wave) > 3000 and np.abs(wave.astype(int)).max() > 2000, request


def test_a_cast_is_stable_and_all_different() -> None:
    voices = cast(200, ["en", "en-us"], seed=3)
    assert voices[:50] == cast(50, ["en", "en-us"], seed=3) != cast(50, ["en", "en-us"], seed=4)
    assert len({voice.name for voice in voices}) == 200
    assert len({(voice.variant, voice.tract) for voice in voices}) == 200
    assert all(
        0.88 <= voice.tract <= 1.14 and 30 <= voice.pitch <= 70 and 130 <= voice.speed_wpm <= 200 for voice in voices
    )


def test_a_process_of_its_own_says_the_same_every_time() -> None:
    breathy = Request("hello", "en-us+f5", 50, 50, 170)  # noise from a random generator that is seeded by the clock
    one, two = list(say([HELLO, breathy])), list(say([HELLO, breathy]))
    assert all(a.tolist() == b.tolist() for a, b in zip(one, two, strict=True)) and len(one[0]) > 5000


def test_a_voice_that_does_not_exist() -> None:
    with pytest.raises(SourceError, match="espeak-ng stopped.*has no voice 'xx'"):
        list(say([HELLO, Request("hello", "xx", 50, 50, 170)]))


def test_a_worker_that_dies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dies").write_text("#!/bin/sh\necho out of order >&2\nkill -9 $$\n")
    (tmp_path / "dies").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "dies"))
    with pytest.raises(SourceError, match="espeak-ng stopped.*out of order"):
        list(say([HELLO]))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(SourceError, match=r"not installed.*pip install .ossicle\[speak\]"):
        speak_espeak.data_folder()


def test_stopping_early_ends_the_process() -> None:
    waves = say([HELLO] * 2000)
    next(waves)
    waves.close()  # type: ignore[attr-defined]  # waits for the killed process; a zombie would show as a warning


def test_a_plan_gives_every_voice_every_word_as_often() -> None:
    options = SpeakOptions(("yes", "no"), clips_per_word=60, voices=20)
    planned = plan(options)
    told = Counter((one.item.label, one.item.speaker) for one in planned if one.item.label in ("yes", "no"))
    assert set(told.values()) == {3} and len(told) == 40
    others = {one.request.text for one in planned if one.item.label == "unknown" and one.request}
    assert others <= set(OTHER_WORDS) and len(others) == 12
    assert len({one.item.clip_id for one in planned}) == len(planned) == 120 + 12 + 12


def test_keywords_are_no_unknown_words() -> None:
    planned = plan(SpeakOptions(("seven", "three"), clips_per_word=300, unknown_percent=50))
    assert not {one.request.text for one in planned if one.item.label == "unknown" and one.request} & {"seven", "three"}
