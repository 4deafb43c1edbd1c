"""What a layout makes of a folder: items with labels, and the choices that must not depend on file order."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

BACKGROUND, SILENCE, UNKNOWN = "background", "silence", "unknown"
TEN_WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")

SUBSET_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("training", "train", "learn"), "training"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "devel", "development"), "validation"),
    **dict.fromkeys(("testing", "test", "eval", "evaluation"), "testing"),
    **dict.fromkeys((BACKGROUND, "noise", "_background_noise_"), BACKGROUND),
}
"""Words for subsets found in folder names and tables."""


class FileIssue(NamedTuple):
    """A file that cannot be used, and why."""

    file: str
    what: str


@dataclass(frozen=True)
class Item:
    """One clip to be: `path` is relative to the tree's root, empty for generated silence."""

    clip_id: str
    path: str
    label: str
    speaker: str = ""
    source: str = ""
    """The original recording; clips cut from one recording share it."""
    subset: str = ""
    fold: int = 0
    start_s: float = 0.0


@dataclass(frozen=True)
class Listing:
    """All clips of a source in stable order, the classes in the order models use, and what could not be listed."""

    items: tuple[Item, ...]
    classes: tuple[str, ...]
    issues: tuple[FileIssue, ...] = ()


@dataclass(frozen=True)
class LayoutOptions:
    """What a person may choose; each layout uses what concerns it.

    Attributes:
        words: keywords of a Speech Commands folder; empty makes every word a class, without an unknown class.
        classes: classes to keep in the other layouts; empty keeps all.
        unknown_percent: unknown clips as a share of the keyword clips of each subset.
        silence_percent: silent clips likewise.
        seed: decides which unknown clips and, with a limit, which clips are taken.
        limit_per_class: at most so many clips per class, 0 for all.
        name_pattern: regular expression for file names without extension, with the named group `label` or `speaker`.
        table: path of the table inside the source; empty looks for one.
        class_map: label in the table -> class name.
    """

    words: tuple[str, ...] = TEN_WORDS
    classes: tuple[str, ...] = ()
    unknown_percent: float = 10.0
    silence_percent: float = 10.0
    seed: int = 0
    limit_per_class: int = 0
    name_pattern: str = ""
    table: str = ""
    class_map: Mapping[str, str] = field(default_factory=dict)


def rank(seed: int, name: str) -> bytes:
    """A sort key that depends on the seed and the name alone: the same choice in whatever order files are found."""
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest()


def first_by_rank(items: Iterable[Item], count: int, seed: int) -> list[Item]:
    """`count` items chosen by rank; asking for more keeps those already chosen."""
    return sorted(items, key=lambda item: rank(seed, item.clip_id))[:count]


def share(count: int, percent: float) -> int:
    """A percentage of a count, rounded up (SEEDS section 3: 10 % of 18 538 is 1 854)."""
    return math.ceil(round(count * percent / 100, 9))


def limited(items: Iterable[Item], per_class: int, seed: int) -> list[Item]:
    """At most `per_class` clips of each class, every subset cut in proportion; background tracks stay."""
    groups: dict[tuple[str, str], list[Item]] = defaultdict(list)
    totals: dict[str, int] = defaultdict(int)
    for item in items:
        groups[item.label, item.subset].append(item)
        totals[item.label] += 1
    kept: list[Item] = []
    for (label, subset), group in groups.items():
        is_whole = not per_class or subset == BACKGROUND or totals[label] <= per_class
        kept += group if is_whole else first_by_rank(group, share(per_class * len(group), 100 / totals[label]), seed)
    return sorted(kept, key=lambda item: item.clip_id)


def finished(items: Iterable[Item], issues: Iterable[FileIssue], options: LayoutOptions) -> Listing:
    """Keep the wanted classes, apply the limit, order items and classes."""
    wanted = [item for item in items if not options.classes or item.label in options.classes or is_noise(item)]
    kept = limited(wanted, options.limit_per_class, options.seed)
    found = sorted({item.label for item in kept if not is_noise(item)})
    classes = [name for name in options.classes if name in found] if options.classes else found
    return Listing(tuple(kept), tuple(classes), tuple(issues))


def is_noise(item: Item) -> bool:
    """A background track: mixed into clips, never a class."""
    return item.subset == BACKGROUND


def as_noise(item: Item) -> Item:
    """The item as a background track."""
    return replace(item, label=BACKGROUND, speaker="", subset=BACKGROUND)
