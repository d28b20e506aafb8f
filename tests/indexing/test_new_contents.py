"""Which files need decoding: known contents do not, and of copies only the first, wherever they come in a run."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from photos import archive, photo

from retrieval import Index
from retrieval.embed import prepare


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts how often each file is decoded, by name."""
    counts: Counter[str] = Counter()
    decode = prepare.decode

    def counting(data: bytes, *, name: str, **options: object) -> object:
        counts[name] += 1
        return decode(data, name=name, **options)

    monkeypatch.setattr(prepare, "decode", counting)
    return counts


@pytest.fixture
def small(tmp_path: Path, model: Path):
    """An index that records every batch of three by itself."""
    with Index.create(tmp_path / "index", model=str(model), device="cpu", batch_size=3) as made:
        made.embedder.group_s = 0
        yield made


def test_a_known_content_is_not_decoded(small: Index, tmp_path: Path, decoded: Counter[str]) -> None:
    folder = archive(tmp_path / "a", 3)
    small.add(folder)
    decoded.clear()
    shutil.copy(folder / "000.jpg", folder / "copy.jpg")
    (folder / "001.jpg").rename(folder / "moved.jpg")
    (folder / "002.jpg").touch()
    photo(folder / "new.jpg", 50)
    report = small.add()
    assert (report.added, report.moved, report.unchanged, report.embedded) == (2, 1, 2, 1)
    assert decoded == {"new.jpg": 1}


@pytest.mark.parametrize("apart", [1, 4, 30])
def test_of_copies_in_one_run_the_first_is_decoded(small, tmp_path: Path, decoded: Counter[str], apart: int) -> None:
    """Whether the first is recorded by then or still under way."""
    folder = archive(tmp_path / "a", 40)
    for number in (apart, 2 * apart if apart < 20 else 39):
        photo(folder / f"{number:03}.jpg", 0)
    report = small.add(folder)
    assert (report.added, report.embedded) == (40, 38)
    assert sorted(decoded.values()) == [1] * 38
    found = small.query(folder / "000.jpg", k=3)
    assert [round(hit.score, 3) for hit in found.hits] == [1, 1, 1]
    assert small.verify().problems == ()


def test_copies_of_what_cannot_be_decoded_fail_as_it_does(small, tmp_path: Path, decoded: Counter[str]) -> None:
    folder = archive(tmp_path / "a", 4)
    for name in ("000.jpg", "003.jpg"):
        (folder / name).write_bytes(b"no photo")
    report = small.add(folder)
    assert (report.added, report.failed) == (2, 2)
    assert decoded["000.jpg"] + decoded["003.jpg"] == 1
    assert {failure.path.name for failure in small.failures()} == {"000.jpg", "003.jpg"}


def test_failures_that_are_tried_again_are_decoded_again(small, tmp_path: Path, decoded: Counter[str]) -> None:
    folder = archive(tmp_path / "a", 2)
    (folder / "bad.jpg").write_bytes(b"no photo")
    small.add(folder)
    shutil.copy(folder / "bad.jpg", folder / "copy.jpg")
    decoded.clear()
    small.add(retry=["not-a-photo"])
    assert decoded.total() == 1
    decoded.clear()
    small.add()
    assert decoded.total() == 0
