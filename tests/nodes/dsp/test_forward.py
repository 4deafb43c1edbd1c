"""The forward-only stream that tarfile reads from."""

from __future__ import annotations

import io
import tarfile

import pytest

from nodes.dsp.forward import LARGEST_READ_BYTES, ForwardReader


def reader(data: bytes) -> tuple[ForwardReader, list[int]]:
    spent: list[int] = []
    return ForwardReader(io.BytesIO(data), spent.append), spent


def test_reads_skips_and_counts_all_bytes() -> None:
    stream, spent = reader(bytes(range(100)))
    assert stream.read(3) == b"\0\1\2" and stream.tell() == 3
    assert stream.seek(50) == 50 and stream.read(1) == b"2"
    assert sum(spent) == 51 == stream.position


def test_one_byte_back() -> None:
    stream, spent = reader(b"abcdef")
    stream.read(3)
    assert stream.seek(2) == 2 and stream.read(0) == b"" and stream.tell() == 2
    assert stream.read(2) == b"cd" and stream.tell() == 4 and sum(spent) == 4


def test_not_further_back() -> None:
    stream, _ = reader(b"abcdef")
    stream.read(4)
    with pytest.raises(tarfile.ReadError, match="overlap"):
        stream.seek(2)


def test_past_the_end() -> None:
    stream, _ = reader(b"abc")
    assert stream.seek(10) == 3 and stream.read(5) == b""


@pytest.mark.parametrize("size", [-1, LARGEST_READ_BYTES + 1])
def test_huge_reads_are_refused(size: int) -> None:
    with pytest.raises(tarfile.ReadError, match="a header of"):
        reader(b"abc")[0].read(size)


def test_spending_may_stop_it() -> None:
    def stop(_count: int) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        ForwardReader(io.BytesIO(b"abc"), stop).read(1)
