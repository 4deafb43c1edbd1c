"""Sources by name and address."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import Context
from engine.key import recipe_of
from nodes.ingest import IngestParams, ingest
from nodes.source import PRESETS, address_of, opened


@pytest.mark.parametrize("name", PRESETS)
def test_presets_name_address_and_digest(name: str) -> None:
    address, sha256 = PRESETS[name]
    assert address == f"https://download.tensorflow.org/data/{name}.tar.gz" and len(sha256) == 64
    assert address_of(IngestParams(source=name)) == (address, sha256)
    assert recipe_of(ingest, IngestParams(source=name), {}, Path()).fingerprint == {"sha256": sha256}


@pytest.mark.parametrize("source", ["clips", "https.zip", "/data/http://x"])
def test_paths_are_no_addresses(source: str) -> None:
    assert address_of(IngestParams(source=source)) is None


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a/1.wav", b"1")
    ctx = Context.for_test(tmp_path)
    (ctx.scratch / "unpacked" / "a").mkdir(parents=True)
    (ctx.scratch / "unpacked" / "a" / "half.wav").touch()
    with opened(IngestParams(source="x.zip"), ctx) as place:
        assert [path.name for path in place.folder.rglob("*.wav")] == ["1.wav"]
    assert not place.folder.exists()
