"""Labels from a table: ESC-50, UrbanSound8K, and any CSV with a file and a label column."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from nodes.dsp.errors import SourceError
from nodes.dsp.layout import BACKGROUND, SUBSET_NAMES, FileIssue, Item, LayoutOptions, Listing, as_noise, finished
from nodes.dsp.tree import Tree, extension, printable

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "file": ("filename", "file", "path", "file_name", "slice_file_name"),
    "label": ("label", "category", "class", "word"),
    "subset": ("subset", "split", "partition"),
    "speaker": ("speaker", "speaker_id"),
    "source": ("source", "src_file", "fsid", "recording"),
    "fold": ("fold",),
    "start_s": ("start_s", "start"),
}
"""What a column may be called, by what we make of it; letter case does not count."""

URBAN_TABLE = "metadata/UrbanSound8K.csv"
_LARGEST_CELL = 1 << 20


def is_esc50(tree: Tree) -> bool:
    """It has a table in `meta/` with file, category and fold."""
    return _esc50_table(tree) is not None


def is_urbansound8k(tree: Tree) -> bool:
    """It has UrbanSound8K's table."""
    return URBAN_TABLE in tree.known


def is_csv(tree: Tree) -> bool:
    """It has a table at the top with a file and a label column."""
    return _own_table(tree) is not None


def esc50(tree: Tree, options: LayoutOptions) -> Listing:
    """ESC-50 and ESC-10: `meta/*.csv` with folds; clips cut from one recording share `src_file`."""
    return _from_table(tree, options, options.table or _esc50_table(tree), "meta/*.csv with filename, fold, category")


def urbansound8k(tree: Tree, options: LayoutOptions) -> Listing:
    """UrbanSound8K: ten folds, `fsID` names the recording a slice was cut from."""
    found = URBAN_TABLE if is_urbansound8k(tree) else None
    return _from_table(tree, options, options.table or found, URBAN_TABLE)


def table(tree: Tree, options: LayoutOptions) -> Listing:
    """Any CSV with a file and a label column; subset, speaker, source, fold, start where there are such columns."""
    return _from_table(tree, options, options.table or _own_table(tree), "a CSV with the columns filename and label")


def _esc50_table(tree: Tree) -> str | None:
    tables = [name for name in tree.files if name.startswith("meta/") and extension(name) == ".csv"]
    return next((name for name in tables if {"file", "label", "fold"} <= _columns(tree, name).keys()), None)


def _own_table(tree: Tree) -> str | None:
    tables = [name for name in tree.files if "/" not in name and extension(name) in (".csv", ".tsv")]
    return next((name for name in tables if {"file", "label"} <= _columns(tree, name).keys()), None)


def _columns(tree: Tree, name: str) -> dict[str, str]:
    """Header names by meaning; empty if the file is no table."""
    try:
        with tree.path(name).open(encoding="utf-8-sig", errors="replace", newline="") as file:
            first = file.readline(_LARGEST_CELL)
    except OSError:
        return {}
    header = next(csv.reader([first], delimiter=_delimiter(first)), [])
    by_name = {cell.strip().lower(): cell for cell in header}
    return {
        meaning: by_name[found]
        for meaning, choices in COLUMNS.items()
        if (found := next((choice for choice in choices if choice in by_name), None))
    }


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _from_table(tree: Tree, options: LayoutOptions, name: str | None, expected: str) -> Listing:
    if name is None or name not in tree.known:
        raise SourceError(
            f"there is no table {name or ''}".rstrip(), expected, "Check source and table, or choose another layout"
        )
    columns = _columns(tree, name)
    if not {"file", "label"} <= columns.keys():
        raise SourceError(
            f"{name} has no column for {'the file' if 'file' not in columns else 'the label'}",
            f"one of {', '.join(COLUMNS['file'])} and one of {', '.join(COLUMNS['label'])}",
            "Rename its columns",
        )
    return _listing(tree, options, name, columns)


def _listing(tree: Tree, options: LayoutOptions, name: str, columns: Mapping[str, str]) -> Listing:
    places = _places(tree)
    items: dict[str, Item] = {}
    issues: list[FileIssue] = []
    torn: dict[str, Item] = {}
    for row in _rows(tree, name, columns):
        made = _item(row, _located(row, name, places), options)
        if isinstance(made, FileIssue):
            issues.append(made)
        elif (first := items.setdefault(made.clip_id, made)) is not made:
            issues.append(FileIssue(made.clip_id, f"{name} lists it twice"))
            if _is_torn(first, made):
                torn[made.clip_id] = made
    if torn:
        raise _overlap(name, items, torn)
    return finished(_with_prefixes(list(items.values())), issues, options)


def _is_torn(first: Item, second: Item) -> bool:
    """Whether two rows about one file put it into different folds or subsets; a row that says nothing disagrees not."""
    folds, subsets = {first.fold, second.fold} - {0}, {first.subset, second.subset} - {""}
    return len(folds) > 1 or len(subsets) > 1


def _overlap(name: str, items: Mapping[str, Item], torn: Mapping[str, Item]) -> SourceError:
    """The error for clips that a table puts into two folds or two subsets: no test on such parts means anything."""
    second = next(iter(torn.values()))
    first = items[second.clip_id]
    is_fold = len({first.fold, second.fold} - {0}) > 1
    parts = "folds" if is_fold else "subsets"
    ends = (first.fold, second.fold) if is_fold else (first.subset, second.subset)
    return SourceError(
        f"{name} lists {len(torn):,} file(s) in two {parts}, for example {first.clip_id} in {ends[0]} and {ends[1]}",
        f"each file in one of the {parts}",
        "Delete the wrong rows",
    )


def _rows(tree: Tree, name: str, columns: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Rows by meaning instead of header name."""
    try:
        with tree.path(name).open(encoding="utf-8-sig", newline="") as file:
            delimiter = _delimiter(file.readline(_LARGEST_CELL))
            file.seek(0)
            for row in csv.DictReader(file, delimiter=delimiter):
                yield {meaning: (row.get(header) or "").strip() for meaning, header in columns.items()}
    except (OSError, UnicodeError, csv.Error) as error:
        raise SourceError(
            f"{name} cannot be read ({error})", "a CSV file in UTF-8", "Save it again as UTF-8"
        ) from error


def _places(tree: Tree) -> dict[str, list[str]]:
    """Audio files by their last name: tables rarely give the folder."""
    places: dict[str, list[str]] = {}
    for path in tree.audio:
        places.setdefault(PurePosixPath(path).name, []).append(path)
    return places


def _located(row: Mapping[str, str], table_name: str, places: Mapping[str, list[str]]) -> str:
    """The file a row means, only ever one of the tree: as written, beside the table, in the row's fold, or by name."""
    written = PurePosixPath(row["file"].replace("\\", "/"))
    same_name = places.get(written.name, [])
    beside = (PurePosixPath(table_name).parent / written).as_posix()
    in_fold = f"audio/fold{row.get('fold', '')}/{written}"
    exact = [path for path in (written.as_posix(), beside, in_fold) if path in same_name]
    return exact[0] if exact else same_name[0] if len(same_name) == 1 else ""


def _item(row: Mapping[str, str], path: str, options: LayoutOptions) -> Item | FileIssue:
    subset, fold = row.get("subset", "").lower(), row.get("fold", "") or "0"
    start_s = _number(row.get("start_s", "") or "0")
    checks = {
        "the folder has no such file (or several of that name)": not path,
        "it has no label": not row["label"] and SUBSET_NAMES.get(subset) != BACKGROUND,
        f"subset {subset!r} is none of {', '.join(SUBSET_NAMES)}": bool(subset) and subset not in SUBSET_NAMES,
        f"fold {fold!r} is no whole number": not fold.isdecimal(),
        f"start {row.get('start_s')!r} is no number": start_s is None,
    }
    wrong = next((what for what, holds in checks.items() if holds), None)
    if wrong is not None:
        return FileIssue(printable(row["file"]), wrong)
    shown, label = printable(path), options.class_map.get(row["label"], row["label"])
    made = Item(
        shown,
        path,
        label,
        row.get("speaker", ""),
        row.get("source", "") or shown,
        SUBSET_NAMES.get(subset, ""),
        int(fold),
        start_s or 0.0,
    )
    return as_noise(made) if made.subset == BACKGROUND else made


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _with_prefixes(items: list[Item]) -> list[Item]:
    """Subsets from file names like `devel_0001.wav` (S2), where every name has such a prefix and no item a subset."""
    found = [SUBSET_NAMES.get(PurePosixPath(item.path).name.split("_", 1)[0].lower(), "") for item in items]
    if any(item.subset for item in items) or not all(found) or BACKGROUND in found:
        return items
    return [replace(item, subset=subset) for item, subset in zip(items, found, strict=True)]
