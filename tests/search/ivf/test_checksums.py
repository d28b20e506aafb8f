"""Checksums at the end of a file: every change of its contents is noticed, and only what is asked for is read."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import IndexFormatError, Remedy
from retrieval.search.ivf.checksums import BLOCK, WORDS, CheckedFile, Summing, block_sums

RNG = np.random.default_rng(0)
CONTENTS = RNG.bytes(3 * BLOCK + 1000)


def written(path: Path, contents: bytes, *, lazy_bytes: int = 0, piece: int = 10_000) -> Path:
    summing = Summing()
    for start in range(0, len(contents), piece):
        summing.update(contents[start : start + piece])
    path.write_bytes(contents + summing.footer(lazy_bytes=lazy_bytes).contents)
    return path


def opened(path: Path) -> CheckedFile:
    checked = CheckedFile.open(path)
    assert checked is not None
    return checked


@pytest.mark.parametrize("size", [0, 1, 7, 8, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
@pytest.mark.parametrize("piece", [5000, BLOCK, 10 * BLOCK])
def test_a_file_is_as_it_was_written(tmp_path: Path, size: int, piece: int) -> None:
    contents = CONTENTS[:size]
    checked = opened(written(tmp_path / "file", contents, piece=piece))
    assert (checked.size, checked.eager) == (size, size)
    checked.check_first(size)
    assert checked.done


def test_the_footer_does_not_depend_on_the_pieces(tmp_path: Path) -> None:
    files = [written(tmp_path / str(piece), CONTENTS, piece=piece).read_bytes() for piece in (777, 2**16, 2**20)]
    assert len(set(files)) == 1


def test_a_file_without_checksums_has_none(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for contents in (b"", b"short", CONTENTS):
        path.write_bytes(contents)
        assert CheckedFile.open(path) is None
    with pytest.raises(FileNotFoundError):
        CheckedFile.open(tmp_path / "none")


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, len(CONTENTS) - 1), bit=st.integers(0, 7))
def test_every_changed_bit_changes_the_sum_of_its_block_alone(place: int, bit: int) -> None:
    changed = bytearray(CONTENTS)
    changed[place] ^= 1 << bit
    before, after = (block_sums(np.frombuffer(bytes(data), np.uint8)) for data in (CONTENTS, changed))
    assert np.flatnonzero(before != after).tolist() == [place // BLOCK]


@settings(max_examples=100, deadline=None)
@given(a=st.integers(0, 127), b=st.integers(0, 127), length=st.sampled_from([8, 64, 512]))
def test_what_changes_places_changes_the_sum(a: int, b: int, length: int) -> None:
    changed = bytearray(CONTENTS[:BLOCK])
    a, b = a * length, b * length
    changed[a : a + length], changed[b : b + length] = changed[b : b + length], changed[a : a + length]
    before, after = (block_sums(np.frombuffer(bytes(data), np.uint8)) for data in (CONTENTS[:BLOCK], changed))
    assert (before == after).all() == (a == b)


def test_sums_are_the_same_on_every_machine() -> None:
    """They are stored: these were computed with Python's own integers."""
    contents = np.arange(BLOCK + 100, dtype=np.uint64).astype(np.uint8)
    words = [int.from_bytes(bytes(contents[at : at + 8]), "little") for at in range(0, len(contents), 8)]
    sums = []
    for start in range(0, len(words), WORDS):
        total = 0
        for place, word in enumerate(words[start : start + WORDS], start=1):
            mixed = place * 0x9E3779B97F4A7C15 % 2**64
            mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
            mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
            total += word * (mixed ^ mixed >> 31 | 1)
        sums.append(total % 2**64)
    assert block_sums(contents).tolist() == sums


@pytest.mark.parametrize("from_end", range(1, 88, 3))
def test_a_damaged_footer_is_refused_or_no_footer(tmp_path: Path, from_end: int) -> None:
    path = written(tmp_path / "file", CONTENTS)
    data = bytearray(path.read_bytes())
    data[-from_end] ^= 4
    path.write_bytes(data)
    if from_end <= 8:  # what says that there is one
        assert CheckedFile.open(path) is None
        return
    with pytest.raises(IndexFormatError, match="are not those that were written") as caught:
        CheckedFile.open(path)
    assert caught.value.remedy is Remedy.REPAIR


def test_only_what_is_asked_for_is_checked(tmp_path: Path) -> None:
    path = written(tmp_path / "file", CONTENTS, lazy_bytes=2 * BLOCK)
    data = bytearray(path.read_bytes())
    data[2 * BLOCK + 5] ^= 1
    path.write_bytes(data)
    checked = opened(path)
    assert checked.eager == len(CONTENTS) - 2 * BLOCK
    checked.check_first(2 * BLOCK)
    checked.check(np.array([0, 3 * BLOCK]), np.array([10, 3 * BLOCK + 10]))
    checked.check(np.array([2 * BLOCK]), np.array([2 * BLOCK]))  # an empty range
    assert not checked.done
    for start, stop in ((2 * BLOCK, 2 * BLOCK + 1), (0, len(CONTENTS)), (2 * BLOCK - 1, 2 * BLOCK + 1)):
        with pytest.raises(IndexFormatError, match="are not those that were written"):
            checked.check(np.array([start]), np.array([stop]))
    with pytest.raises(IndexFormatError, match="are not those that were written"):
        checked.check(np.array([0]), np.array([1]), ahead=1)


def test_checking_ahead_comes_to_an_end(tmp_path: Path) -> None:
    checked = opened(written(tmp_path / "file", CONTENTS))
    for _ in range(3):  # two of four blocks, then one each
        assert not checked.done
        checked.check(np.array([0]), np.array([1]), ahead=1)
    assert checked.done
    checked.check(np.array([0]), np.array([len(CONTENTS)]), ahead=1)  # nothing is left to do
