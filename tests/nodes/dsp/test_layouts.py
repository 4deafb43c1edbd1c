"""Layouts: what each makes of a folder, and how the right one is found."""

from __future__ import annotations

import csv
import math
from collections import Counter
from pathlib import Path

import pytest

from nodes.dsp.errors import SourceError
from nodes.dsp.layout import LayoutOptions, Listing, share
from nodes.dsp.layouts import LAYOUTS, detect, list_clips
from nodes.dsp.split import hash_subset
from nodes.dsp.tree import Tree, scan

ALL_WORDS = LayoutOptions(words=())


def tree(*names: str, root: Path = Path("nowhere")) -> Tree:
    return Tree(root, tuple(sorted(names)))


def write(folder: Path, **files: str) -> Tree:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return scan(folder)


def labels(listing: Listing) -> dict[str, str]:
    return {item.clip_id: item.label for item in listing.items}


def speech(words: dict[str, int], speakers: int = 40) -> list[str]:
    """Names like those of Speech Commands, `words[w]` clips of each word w."""
    return [f"{word}/{take * 7919 % speakers:08x}_nohash_{take}.wav" for word, n in words.items() for take in range(n)]


def test_class_folders() -> None:
    listing = list_clips(
        tree("b/2.wav", "a/1.wav", "a/deep/er.flac", "a/read.txt", "top.wav", "c/x.m4a"), "folder", LayoutOptions()
    )
    assert labels(listing) == {"a/1.wav": "a", "a/deep/er.flac": "a", "b/2.wav": "b"}
    assert listing.classes == ("a", "b")
    assert {issue.file for issue in listing.issues} == {"top.wav", "c/x.m4a"}


def test_subset_folders_above_class_folders() -> None:
    listing = list_clips(tree("train/a/1.wav", "dev/a/2.wav", "test/b/3.wav"), "folder", LayoutOptions())
    assert {item.clip_id: (item.label, item.subset) for item in listing.items} == {
        "train/a/1.wav": ("a", "training"),
        "dev/a/2.wav": ("a", "validation"),
        "test/b/3.wav": ("b", "testing"),
    }


def test_background_tracks_are_no_class() -> None:
    listing = list_clips(tree("a/1.wav", "b/1.wav", "_background_noise_/hum.wav"), "folder", LayoutOptions())
    assert [item.subset for item in listing.items] == ["background", "", ""] and listing.classes == ("a", "b")


def test_names_by_pattern(recordings: Path) -> None:
    options = LayoutOptions(name_pattern=r"(?P<label>\d)_(?P<speaker>[a-z]+)_(?P<take>\d+)")
    found = scan(recordings / "fsdd")
    assert detect(found, options) == "names"
    listing = list_clips(found, "names", options)
    assert len(listing.items) == 3000 and listing.classes == tuple("0123456789") and not listing.issues
    assert Counter(item.speaker for item in listing.items) == dict.fromkeys(
        ("george", "jackson", "lucas", "nicolas", "theo", "yweweler"), 500
    )


def test_names_that_do_not_fit_are_reported() -> None:
    options = LayoutOptions(name_pattern=r"(?P<label>\d)_(?P<speaker>\w+)")
    listing = list_clips(tree("x/1_a.wav", "x/odd.wav"), "names", options)
    assert labels(listing) == {"x/1_a.wav": "1"} and [issue.file for issue in listing.issues] == ["x/odd.wav"]


def test_a_pattern_without_label_takes_the_folder() -> None:
    listing = list_clips(tree("dog/rex_1.wav"), "names", LayoutOptions(name_pattern=r"(?P<speaker>\w+)_\d"))
    assert listing.items[0].label == "dog" and listing.items[0].speaker == "rex"


def test_a_broken_pattern_is_an_error() -> None:
    with pytest.raises(SourceError, match="no regular expression"):
        list_clips(tree("a/1.wav"), "names", LayoutOptions(name_pattern="(?P<label>"))


def test_speech_commands_counts_follow_the_papers() -> None:
    """Per subset, unknown and silence are 10 % of the keyword clips, rounded up."""
    files = speech({"yes": 300, "no": 291, "cat": 200, "dog": 200})
    listing = list_clips(
        tree("_background_noise_/hum.wav", *files), "speech_commands", LayoutOptions(words=("yes", "no"))
    )
    assert listing.classes == ("yes", "no", "unknown", "silence")
    counts = Counter((item.subset, item.label) for item in listing.items)
    for subset in ("training", "validation", "testing"):
        keywords = counts[subset, "yes"] + counts[subset, "no"]
        pool = sum(name[:3] in ("cat", "dog") and hash_subset(name) == subset for name in files)
        assert keywords > 0
        assert counts[subset, "silence"] == math.ceil(keywords / 10)
        assert counts[subset, "unknown"] == min(math.ceil(keywords / 10), pool)
    assert counts["background", "background"] == 1
    assert all(
        item.subset == hash_subset(item.clip_id) for item in listing.items if item.path and item.label != "background"
    )


@pytest.mark.parametrize(("keywords", "extra"), [(18_538, 1854), (2577, 258), (2567, 257)])
def test_the_papers_own_numbers(keywords: int, extra: int) -> None:
    assert share(keywords, 10) == extra


def test_lists_win_over_the_hash(tmp_path: Path) -> None:
    files = speech({"yes": 50, "cat": 50})
    validation, testing = files[:5], files[5:9]
    lists = {"validation_list.txt": "\n".join(validation), "testing_list.txt": "\n".join(testing) + "\n"}
    found = write(tmp_path, **lists, **dict.fromkeys(files, "x"))
    listing = list_clips(found, detect(found, LayoutOptions()), ALL_WORDS)
    spoken = {item.clip_id: item.subset for item in listing.items if item.path}
    assert {name for name, subset in spoken.items() if subset == "validation"} == set(validation)
    assert {name for name, subset in spoken.items() if subset == "testing"} == set(testing)
    assert any(hash_subset(name) != spoken[name] for name in spoken)


def test_unknown_depends_on_the_seed_not_on_the_order() -> None:
    files = speech({"yes": 200, "cat": 100, "dog": 100})
    options = LayoutOptions(words=("yes",))

    def chosen(names: list[str], seed: int = 0) -> set[str]:
        shuffled = Tree(Path(), tuple(names))
        listing = list_clips(shuffled, "speech_commands", LayoutOptions(words=options.words, seed=seed))
        return {item.clip_id for item in listing.items if item.label == "unknown"}

    assert chosen(files) == chosen(files[::-1]) != chosen(files, seed=1)


def test_more_unknown_keeps_those_already_chosen() -> None:
    found = tree(*speech({"yes": 200, "cat": 100}))

    def unknown(percent: float) -> set[str]:
        options = LayoutOptions(words=("yes",), unknown_percent=percent)
        return {item.clip_id for item in list_clips(found, "speech_commands", options).items if item.label == "unknown"}

    assert unknown(5) < unknown(20)


def test_every_word_a_class() -> None:
    listing = list_clips(
        tree(*speech({"yes": 20, "cat": 10})), "speech_commands", LayoutOptions(words=(), silence_percent=0)
    )
    assert listing.classes == ("cat", "yes") and len(listing.items) == 30


def test_missing_keywords_are_an_error() -> None:
    with pytest.raises(SourceError, match="no recordings of 'up'.*found cat, yes"):
        list_clips(tree(*speech({"yes": 2, "cat": 2})), "speech_commands", LayoutOptions(words=("yes", "up")))


def test_the_limit_keeps_subsets_in_proportion() -> None:
    found = tree(*speech({"yes": 2000, "no": 2000}))
    listing = list_clips(found, "speech_commands", LayoutOptions(words=("yes", "no"), limit_per_class=100))
    counts = Counter(item.subset for item in listing.items if item.label == "yes")
    assert 100 <= sum(counts.values()) <= 102 and counts["training"] > 60 and counts["testing"] and counts["validation"]


ESC = "filename,fold,target,category,esc10,src_file,take\n"


def test_esc50(tmp_path: Path) -> None:
    rows = "1-1-A-0.ogg,1,0,dog,True,1,A\n1-1-B-0.ogg,1,0,dog,True,1,B\n"
    rows += "2-5-A-9.ogg,2,9,crow,False,5,A\nlost.ogg,3,9,crow,False,6,A\n"
    found = write(
        tmp_path, **{"meta/esc50.csv": ESC + rows}, **{f"audio/{n}.ogg": "" for n in ("1-1-A-0", "1-1-B-0", "2-5-A-9")}
    )
    assert detect(found, LayoutOptions()) == "esc50"
    listing = list_clips(found, "esc50", LayoutOptions())
    assert [(item.label, item.fold, item.source) for item in listing.items] == [
        ("dog", 1, "1"),
        ("dog", 1, "1"),
        ("crow", 2, "5"),
    ]
    assert [issue.file for issue in listing.issues] == ["lost.ogg"]
    assert list_clips(found, "esc50", LayoutOptions(classes=("crow",))).classes == ("crow",)


def test_urbansound8k(tmp_path: Path) -> None:
    table = (
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "9-3-0-0.wav,9,0.5,4.5,1,5,3,dog_bark\n9-3-0-1.wav,9,4.5,8.5,2,10,3,dog_bark\n"
    )
    found = write(
        tmp_path, **{"metadata/UrbanSound8K.csv": table, "audio/fold5/9-3-0-0.wav": "", "audio/fold10/9-3-0-1.wav": ""}
    )
    assert detect(found, LayoutOptions()) == "urbansound8k"
    items = list_clips(found, "urbansound8k", LayoutOptions()).items
    assert [(one.path, one.source, one.fold, one.start_s) for one in items] == [
        ("audio/fold10/9-3-0-1.wav", "9", 10, 4.5),
        ("audio/fold5/9-3-0-0.wav", "9", 5, 0.5),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv(delimiter: str, tmp_path: Path) -> None:
    rows = [
        ["Filename", "Label", "Subset", "Speaker", "Fold"],
        ["a b/ä.wav", "cough", "train", "s1", "1"],
        ["c.wav", "other, loud", "devel", "s2", "2"],
        ["d.wav", "cough", "test", "", ""],
        ["n.wav", "", "noise", "", ""],
        ["e.wav", "cough", "nonsense", "", ""],
        ["f.wav", "", "", "", ""],
        ["g.wav", "cough", "", "", "one"],
        ["gone.wav", "cough", "", "", ""],
        ["c.wav", "cough", "", "", ""],
    ]
    for name in ("a b/ä.wav", "c.wav", "d.wav", "e.wav", "f.wav", "g.wav", "n.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with (tmp_path / "labels.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    found = scan(tmp_path)
    assert detect(found, LayoutOptions()) == "csv"
    listing = list_clips(found, "csv", LayoutOptions())
    assert {item.clip_id: (item.label, item.subset, item.speaker, item.fold) for item in listing.items} == {
        "a b/ä.wav": ("cough", "training", "s1", 1),
        "c.wav": ("other, loud", "validation", "s2", 2),
        "d.wav": ("cough", "testing", "", 0),
        "n.wav": ("background", "background", "", 0),
    }
    assert [issue.file for issue in listing.issues] == ["e.wav", "f.wav", "g.wav", "gone.wav", "c.wav"]
    assert listing.classes == ("cough", "other, loud")


def test_csv_class_map_and_prefixes(tmp_path: Path) -> None:
    """S2's form: file names that begin with the subset, labels as numbers."""
    table = "filename,label,duration_frames\ntrain_1.wav,0,9\ndevel_1.wav,1,9\ntest_1.wav,1,9\n"
    found = write(tmp_path, **{"t.csv": table, "train_1.wav": "", "devel_1.wav": "", "test_1.wav": ""})
    listing = list_clips(found, "csv", LayoutOptions(class_map={"0": "cough", "1": "none"}))
    assert [(item.label, item.subset) for item in listing.items] == [
        ("none", "validation"),
        ("none", "testing"),
        ("cough", "training"),
    ]


def test_a_table_cannot_reach_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").touch()
    found = write(
        tmp_path / "in",
        **{"t.csv": f"filename,label\n../secret.wav,a\n{tmp_path}/secret.wav,b\nok.wav,c\n", "ok.wav": ""},
    )
    listing = list_clips(found, "csv", LayoutOptions())
    assert labels(listing) == {"ok.wav": "c"} and len(listing.issues) == 2


@pytest.mark.parametrize(
    ("content", "what"),
    [("a,b\n1,2\n", "no column for the file"), ("filename,x\n1,2\n", "no column for the label")],
)
def test_a_table_without_columns_is_an_error(content: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=what):
        list_clips(write(tmp_path, **{"t.csv": content}), "csv", LayoutOptions(table="t.csv"))


@pytest.mark.parametrize("layout", ["esc50", "urbansound8k", "csv"])
def test_a_missing_table_is_an_error(layout: str) -> None:
    with pytest.raises(SourceError, match="there is no table"):
        list_clips(tree("a/1.wav"), layout, LayoutOptions())


def test_a_table_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"filename,label\n\xff\xfe\x00,a\n")
    with pytest.raises(SourceError, match="cannot be read"):
        list_clips(scan(tmp_path), "csv", LayoutOptions())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_layout_minds_an_empty_folder(layout: str, tmp_path: Path) -> None:
    try:
        assert not list_clips(scan(tmp_path), layout, ALL_WORDS).items
    except SourceError as error:
        assert error.expected and error.remedy


def test_auto_falls_back_to_folders() -> None:
    assert detect(tree("a/1.wav", "b/2.wav"), LayoutOptions()) == "folder"
    assert detect(tree("a/1_nohash_0.wav", "_background_noise_/x.wav"), LayoutOptions()) == "speech_commands"


def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    path = Path(str(folder) + "/\udcff.wav")
    path.touch()
    item = list_clips(scan(tmp_path), "folder", LayoutOptions()).items[0]
    assert item.clip_id == "a/\\xff.wav" and (tmp_path / item.path).exists()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("x.wav,a,1,\ny.wav,b,2,\nx.wav,a,3,\n", "1 file(s) in two folds, for example x.wav in 1 and 3"),
        ("x.wav,a,1,train\nx.wav,a,1,test\n", "1 file(s) in two subsets, for example x.wav in training and testing"),
    ],
)
def test_a_table_that_puts_a_file_into_two_parts_is_an_error(rows: str, told: str, tmp_path: Path) -> None:
    write(tmp_path, **{"t.csv": f"filename,label,fold,subset\n{rows}", "x.wav": "", "y.wav": ""})
    with pytest.raises(SourceError) as caught:
        list_clips(scan(tmp_path), "csv", LayoutOptions(table="t.csv"))
    assert told in caught.value.what and caught.value.expected and caught.value.remedy == "Delete the wrong rows"


def test_a_row_that_stands_twice_is_left_out_once(tmp_path: Path) -> None:
    write(tmp_path, **{"t.csv": "filename,label,fold\nx.wav,a,1\nx.wav,a,1\n", "x.wav": ""})
    found = list_clips(scan(tmp_path), "csv", LayoutOptions(table="t.csv"))
    assert [item.clip_id for item in found.items] == ["x.wav"] and "lists it twice" in found.issues[0].what
