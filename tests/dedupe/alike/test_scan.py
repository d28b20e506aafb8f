import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from photos import photo
from textures import EDITS, saved, textured

from retrieval import Index
from retrieval.dedupe.alike import scan
from retrieval.dedupe.alike.compare import Comparer
from retrieval.dedupe.alike.propose import ProposalSettings, Proposer
from retrieval.errors import Interrupted
from retrieval.store import Store

SIZE = (160, 120)
NAMES = ("recompressed", "half", "grey", "mirrored", "crop 10 %", "rotated")


def library(folder: Path, originals: int = 4, edits: int = 2) -> Path:
    """Pictures, and edits of each: "3.jpg", "3 grey.jpg"."""
    for seed in range(originals):
        picture = textured(seed, SIZE)
        saved(picture, folder / f"{seed}.jpg", quality=92)
        for name in NAMES[seed % 3 : seed % 3 + edits]:
            saved(EDITS[name](picture), folder / f"{seed} {name}.jpg", quality=92)
    return folder


def sql(index: Index, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(index.folder / "catalogue.sqlite")) as connection, connection:
        return connection.execute(statement).fetchall()


def matches(index: Index) -> set[tuple[object, ...]]:
    """What is recorded, by the hashes of files."""
    return set(
        sql(
            index,
            """SELECT min(hex(a.hash), hex(b.hash)), max(hex(a.hash), hex(b.hash)), picture_match.kind
               FROM picture_match JOIN content a ON a.id = first_id JOIN content b ON b.id = second_id""",
        )
    )


def named(index: Index) -> set[frozenset[str]]:
    """The same by the names of present files."""
    with closing(Store.open(index.folder)) as store:
        known = store.catalogue.matches.all()
        ids = {content for one in known for content in (one.first, one.second)}
        names = {copy.content: copy.relative for copy in store.catalogue.copies.of(sorted(ids))}
    return {frozenset((names[one.first], names[one.second])) for one in known}


def forget(index: Index) -> None:
    """As though nothing had been compared."""
    for table in ("picture_match", "compared", "sketch"):
        sql(index, f"DELETE FROM {table}")


@pytest.fixture
def asked(monkeypatch):
    """Every pair that is compared from now on; the comparing is the real one."""
    pairs: list[frozenset[int]] = []
    compare = Comparer.compare

    def remember(self, content, others):
        pairs.extend(frozenset((content, other)) for other in others)
        return compare(self, content, others)

    monkeypatch.setattr(Comparer, "compare", remember)
    return pairs


def test_versions_of_one_picture_are_found_and_no_others(index, tmp_path):
    index.add(library(tmp_path / "archive"))
    assert index.duplicates().compared == 12
    found = named(index)
    for pair in found:
        assert len({name[0] for name in pair}) == 1
    assert len(found) == 4 * 3  # of three, each with each


def test_each_pair_is_compared_once(index, tmp_path, asked):
    index.add(library(tmp_path / "archive"))
    index.duplicates()
    assert len(asked) == len(set(asked))
    assert all(len(pair) == 2 for pair in asked)


def test_only_what_is_new_is_compared(index, tmp_path, asked):
    folder = library(tmp_path / "archive", originals=4)
    index.add(folder)
    index.duplicates()
    before = named(index)
    asked.clear()
    assert index.duplicates().compared == 0
    assert asked == []

    saved(EDITS["warmer"](textured(2, SIZE)), folder / "2 warmer.jpg", quality=92)
    saved(textured(70, SIZE), folder / "other.jpg", quality=92)
    photo(folder / "soft.jpg", 1, SIZE)
    index.add(folder)
    assert index.duplicates().compared == 3
    fresh = {content for (content,) in sql(index, "SELECT id FROM content ORDER BY id DESC LIMIT 3")}
    assert asked
    assert all(pair & fresh for pair in asked)
    others = {"2.jpg", *(f"2 {name}.jpg" for name in NAMES[2:4])}
    assert named(index) == before | {frozenset(("2 warmer.jpg", other)) for other in others}


def test_moved_and_touched_files_are_not_new(index, tmp_path, asked):
    folder = library(tmp_path / "archive", originals=3)
    index.add(folder)
    index.duplicates()
    (folder / "1.jpg").rename(folder / "renamed.jpg")
    (folder / "2.jpg").touch()
    shutil.copy(folder / "0.jpg", folder / "0 copy.jpg")
    index.add(folder)
    asked.clear()
    assert index.duplicates().compared == 0
    assert asked == []
    assert frozenset(("renamed.jpg", "1 half.jpg")) in named(index)


class Stopper:
    """A listener that stops the work at its n-th word, counted from 0."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.heard = 0

    def __call__(self, _progress: object) -> None:
        self.heard += 1
        if self.heard > self.at:
            raise Interrupted


@pytest.fixture
def small_steps(monkeypatch):
    """Records often, so that it can be stopped at many moments; proposes little, so that families are to complete."""
    monkeypatch.setattr(scan, "_AT_ONCE", 3)
    monkeypatch.setattr(scan, "_RECORDED", 4)
    few = ProposalSettings(by_embedding=1, by_sketch=1, max_hash_distance=-1)
    monkeypatch.setattr(scan, "Proposer", partial(Proposer, settings=few))


@pytest.mark.usefixtures("small_steps")
def test_families_are_completed(index, tmp_path):
    """Every file has to match its keeper, so all of a family are compared, though few of the pairs were proposed."""
    index.add(library(tmp_path / "archive", originals=2, edits=4))
    index.duplicates()
    assert len(named(index)) == 2 * 10


@pytest.mark.usefixtures("small_steps")
def test_stopped_at_every_moment_it_goes_on_to_the_same_end(index, tmp_path):
    index.add(library(tmp_path / "archive", originals=2, edits=4))
    index.duplicates()
    expected = matches(index)
    assert len(expected) == 2 * 10
    words = 4 + 3  # ten contents, three at a time, then four at a time
    for moment in range(words + 2):
        forget(index)
        stopper = Stopper(moment)
        try:
            index.duplicates(progress=stopper)
        except Interrupted:
            assert stopper.heard == moment + 1
        else:
            assert moment >= words
        index.duplicates()
        assert matches(index) == expected, f"stopped at word {moment}"


def test_stopped_again_and_again_it_still_comes_to_an_end(index, tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "_AT_ONCE", 3)
    monkeypatch.setattr(scan, "_RECORDED", 4)
    index.add(library(tmp_path / "archive", originals=3))
    index.duplicates()
    expected = matches(index)
    forget(index)
    for _run in range(20):
        try:
            index.duplicates(progress=Stopper(0))  # gets one step further each time
            break
        except Interrupted:
            continue
    else:
        pytest.fail("no run came further than the one before")
    assert matches(index) == expected


def test_a_file_that_was_away_is_compared_with_what_came_meanwhile(index, tmp_path):
    folder = library(tmp_path / "archive", originals=3)
    index.add(folder)
    index.duplicates()
    away = tmp_path / "away.jpg"
    (folder / "1.jpg").rename(away)
    index.add(folder)
    saved(EDITS["contrast"](textured(1, SIZE)), folder / "1 contrast.jpg", quality=92)
    index.add(folder)
    assert index.duplicates().compared == 1
    assert not any("1.jpg" in pair for pair in named(index))
    away.rename(folder / "1.jpg")
    index.add(folder)
    assert index.duplicates().compared == 1
    assert frozenset(("1.jpg", "1 contrast.jpg")) in named(index)
    assert frozenset(("1.jpg", f"1 {NAMES[1]}.jpg")) in named(index)


def test_other_rules_compare_everything_anew(index, tmp_path, monkeypatch):
    index.add(library(tmp_path / "archive", originals=3))
    index.duplicates()
    expected = matches(index)
    sql(index, "UPDATE picture_match SET reason = 'by the old rules', score = 0")
    assert index.duplicates().compared == 0
    monkeypatch.setattr(scan, "RULES", scan.RULES + 1)
    assert index.duplicates().compared == 9
    assert matches(index) == expected
    assert sql(index, "SELECT count(*) FROM picture_match WHERE reason = 'by the old rules'") == [(0,)]
    assert sql(index, "SELECT DISTINCT rules FROM compared UNION SELECT rules FROM sketch") == [(scan.RULES,)]
    assert index.duplicates().compared == 0


def test_neither_the_order_of_indexing_nor_the_number_of_threads_matters(index, model, tmp_path):
    folder = library(tmp_path / "archive", originals=3)
    index.add(folder)
    index.duplicates()
    expected = matches(index)
    staged = tmp_path / "staged"
    staged.mkdir()
    with Index.create(tmp_path / "other", model=str(model), device="cpu", workers=1) as other:
        for path in sorted(folder.iterdir(), key=lambda path: path.name[::-1], reverse=True):
            shutil.copy(path, staged)
            if path.stem[0] in "02":
                other.add(staged)
        other.add(staged)
        other.duplicates()
        assert matches(other) == expected


def test_what_cannot_be_read_any_more_is_left_out(index, tmp_path):
    folder = library(tmp_path / "archive", originals=3)
    index.add(folder)
    for path in folder.iterdir():
        path.unlink()
    findings = index.duplicates()  # no thumbnail alone is proof of anything
    assert (findings.plan.groups, findings.related) == ((), ())
    assert matches(index) == set()


def test_what_can_be_read_again_is_compared_then(index, tmp_path):
    """A drive that was not there when somebody asked."""
    folder = library(tmp_path / "archive", originals=3)
    index.add(folder)
    folder.rename(tmp_path / "away")
    index.duplicates()
    (tmp_path / "away").rename(folder)
    assert index.duplicates().compared == 9
    assert matches(index)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_smallest_archives(index, tmp_path, count):
    for seed in range(count):
        saved(textured(seed, SIZE), tmp_path / "archive" / f"{seed}.jpg")
    if count:
        index.add(tmp_path / "archive")
    findings = index.duplicates()
    assert (findings.compared, findings.plan.groups, findings.related) == (count, (), ())


def test_progress_tells_both_parts(index, tmp_path):
    index.add(library(tmp_path / "archive", originals=3))
    heard = []
    index.duplicates(progress=heard.append)
    assert {progress.phase for progress in heard} == {"looking", "comparing"}
    for phase in ("looking", "comparing"):
        last = [progress for progress in heard if progress.phase == phase][-1]
        assert (last.done, last.total) == (9, 9)
