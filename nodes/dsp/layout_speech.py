"""Speech Commands as the papers use it: ten words, unknown and silence, subsets by list files or by Google's rule.

SEEDS section 3; Warden, arXiv:1804.03209; TC-ResNet (S1) section 3.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from nodes.dsp.errors import SourceError
from nodes.dsp.layout import (
    SILENCE,
    UNKNOWN,
    FileIssue,
    Item,
    LayoutOptions,
    Listing,
    as_noise,
    first_by_rank,
    limited,
    share,
)
from nodes.dsp.layout_folder import NO_HASH, NOISE_FOLDERS, plain_item
from nodes.dsp.split import hash_subset
from nodes.dsp.tree import Tree, printable

LISTS = {"validation_list.txt": "validation", "testing_list.txt": "testing"}


def is_speech_commands(tree: Tree) -> bool:
    """It has list files, or a noise folder beside names with `_nohash_`."""
    if any(name in tree.known for name in LISTS):
        return True
    has_noise = any(name.split("/", 1)[0] in NOISE_FOLDERS for name in tree.audio)
    return has_noise and any(NO_HASH in name for name in tree.audio)


def speech_commands(tree: Tree, options: LayoutOptions) -> Listing:
    """Keywords, `unknown` (other words, chosen by rank) and `silence` (all-zero clips), with subset and speaker.

    Unknown and silence are each a percentage of the keyword clips of a subset, rounded up.

    Raises:
        SourceError: a keyword has no recordings, or a list file cannot be read.
    """
    subset_of = _subset_rule(tree)
    noise, spoken, issues = _spoken(tree, subset_of)
    words = options.words or tuple(sorted({item.label for item in spoken}))
    _check_words(words, spoken)
    keywords = limited((item for item in spoken if item.label in words), options.limit_per_class, options.seed)
    counts = Counter(item.subset for item in keywords)
    others = [item for item in spoken if item.label not in words]
    unknown = [one for subset, count in counts.items() for one in _unknown(others, subset, count, options)]
    silence = [one for subset, count in counts.items() for one in _silence(subset, count, options)]
    items = sorted([*keywords, *unknown, *silence, *noise], key=lambda item: item.clip_id)
    extra = [name for name, clips in ((UNKNOWN, unknown), (SILENCE, silence)) if clips]
    return Listing(tuple(items), (*words, *extra), tuple(issues))


def _spoken(tree: Tree, subset_of: Callable[[str], str]) -> tuple[list[Item], list[Item], list[FileIssue]]:
    noise: list[Item] = []
    spoken: list[Item] = []
    issues: list[FileIssue] = []
    for name in tree.audio:
        word, slash, _ = name.partition("/")
        if not slash:
            issues.append(FileIssue(printable(name), "it lies in no word folder"))
        elif word in NOISE_FOLDERS:
            noise.append(as_noise(plain_item(name, "")))
        else:
            spoken.append(plain_item(name, word, subset_of(name)))
    return noise, spoken, issues


def _check_words(words: Iterable[str], spoken: list[Item]) -> None:
    found = Counter(item.label for item in spoken)
    missing = [word for word in words if word not in found]
    if missing:
        raise SourceError(
            f"no recordings of {', '.join(map(repr, missing))}",
            f"one folder per word; found {', '.join(sorted(found)[:40]) or 'none'}",
            "Correct words, or leave it empty to take every word",
        )


def _unknown(others: list[Item], subset: str, keyword_count: int, options: LayoutOptions) -> list[Item]:
    pool = [item for item in others if item.subset == subset]
    chosen = first_by_rank(pool, share(keyword_count, options.unknown_percent), options.seed)
    return [replace(item, label=UNKNOWN) for item in chosen]


def _silence(subset: str, keyword_count: int, options: LayoutOptions) -> list[Item]:
    count = share(keyword_count, options.silence_percent)
    return [silent_item(subset, number) for number in range(count)]


def silent_item(subset: str, number: int) -> Item:
    """A clip to be generated as zeros; it has no source and no speaker."""
    return Item(f"_silence_/{subset or 'all'}_{number:05d}", "", SILENCE, subset=subset)


def _subset_rule(tree: Tree) -> Callable[[str], str]:
    """List files where there are any, else the hash of the name."""
    listed = {entry: subset for name, subset in LISTS.items() if name in tree.known for entry in _entries(tree, name)}
    has_lists = any(name in tree.known for name in LISTS)
    return (lambda name: listed.get(name, "training")) if has_lists else hash_subset


def _entries(tree: Tree, name: str) -> list[str]:
    try:
        lines = tree.path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise SourceError(
            f"{name} cannot be read ({error})", "one word/file.wav per line", "Copy it again from its origin"
        ) from error
    return [line.strip() for line in lines if line.strip()]
