"""Who can speak: accents of a language, voice variants that sound human, and words nobody was asked to spot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nodes.dsp.errors import SourceError
from nodes.dsp.layout import rank

VARIANTS = (
    *("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5"),
    *("Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo", "Jacky"),
    *("Lee", "Marco", "Mario", "Michael", "Mike", "Nguyen", "Reed", "Storm", "adam", "anika", "antonio", "aunty"),
    *("belinda", "benjamin", "boris", "caleb", "david", "ed", "edward", "grandma", "grandpa", "gustave", "ian", "iven"),
    *("iven2", "john", "kaukovalta", "klatt", "klatt2", "klatt3", "klatt4", "linda", "marcelo", "max", "michel"),
    *("miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph", "travis"),
    *("victor", "zac"),
)
"""Variants of espeak-ng that could be people; its robots, whisperers and monsters are left out."""

OTHER_WORDS = (
    *("apple", "bottle", "candle", "dinner", "elbow", "finger", "garden", "hammer", "island", "jacket", "kitchen"),
    *("ladder", "mirror", "needle", "orange", "pencil", "quarter", "river", "sister", "table", "uncle", "valley"),
    *("window", "yellow", "zebra", "bird", "cat", "dog", "tree", "house", "happy", "wow", "seven", "three", "eight"),
    *("water", "paper", "monkey", "basket", "circle", "doctor", "engine", "forest", "ginger", "honey", "insect"),
    *("jungle", "kettle", "lemon", "market", "number", "ocean", "pepper", "rabbit", "summer", "ticket", "violin"),
    *("winter", "bread", "chair", "dream", "field", "glass", "horse", "knife", "light", "mouth", "north", "plate"),
    *("queen", "road", "shoe", "train", "voice", "wheel", "young", "bridge", "cloud", "dust"),
)
"""Common English words for the class `unknown`; keywords among them are skipped."""

_LEFT_OUT = frozenset({"en-shaw"})
_TRACT_SPREAD = (0.88, 1.14)


@dataclass(frozen=True)
class Voice:
    """One speaker: an accent, a variant, a vocal tract and a usual pitch and speed.

    Attributes:
        tract: factor on all frequencies (formants and pitch); 1 is the variant's own.
        pitch: 0 to 99 as espeak-ng counts.
        speed_wpm: words per minute.
    """

    name: str
    accent: str
    variant: str
    tract: float
    pitch: int
    speed_wpm: int


def accents(data: Path, language: str) -> list[str]:
    """Names of the accents of a language in espeak-ng's data folder.

    Raises:
        SourceError: there are none.
    """
    found = sorted(path.name.lower() for path in (data / "lang").rglob("*") if path.is_file())
    wanted = language.lower()
    chosen = [name for name in found if name == wanted or name.startswith(f"{wanted}-")]
    if not chosen:
        raise SourceError(
            f"language {language!r} is unknown to espeak-ng",
            f"a code like {', '.join(sorted({name.split('-')[0] for name in found})[:60])}",
            "Set languages",
        )
    return [name for name in chosen if name not in _LEFT_OUT]


def cast(count: int, accent_names: list[str], seed: int) -> list[Voice]:
    """`count` different speakers, the same for the same seed; the first ones stay when more are asked for.

    Past the number of variants, variants come again with another vocal tract.
    """
    order = sorted(VARIANTS, key=lambda variant: rank(seed, variant))
    return [_voice(number, order[number % len(order)], accent_names, seed) for number in range(count)]


def _voice(number: int, variant: str, accent_names: list[str], seed: int) -> Voice:
    dice = rank(seed, f"voice {number}")
    low, high = _TRACT_SPREAD
    return Voice(
        name=f"voice-{number + 1:03d}-{variant}",
        accent=accent_names[dice[0] % len(accent_names)],
        variant=variant,
        tract=round(low + (high - low) * dice[1] / 255, 3),
        pitch=30 + dice[2] % 41,
        speed_wpm=130 + dice[3] % 71,
    )
