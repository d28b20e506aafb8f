import os
import sqlite3

import numpy as np
import pytest
from photos import archive

from retrieval import Index


@pytest.fixture
def filled(index, tmp_path):
    index.add(archive(tmp_path / "a", 25))
    return index


def places(index: Index, **options) -> list[str]:
    return [problem.place for problem in index.verify(**options).problems]


def change(index: Index, statement: str) -> None:
    with sqlite3.connect(index.folder / "catalogue.sqlite") as connection:
        connection.execute(statement)
    connection.close()


def test_a_sound_index(filled):
    found = filled.verify(hashes=True)
    assert (found.problems, found.vectors, found.files, found.sound) == ((), 25, 25, True)


def test_leftover_vectors_are_cut_off(filled):
    with (filled.folder / "vectors.f16").open("ab") as file:
        file.write(b"x" * 100)
    assert places(filled) == ["vectors"]
    found = filled.verify(repair=True)
    assert (found.problems, len(found.repaired)) == ((), 1)
    assert (filled.folder / "vectors.f16").stat().st_size == 25 * 32 * 2


def test_a_partial_row_is_a_leftover_too(filled):
    with (filled.folder / "vectors.f16").open("ab") as file:
        file.write(b"x")
    assert places(filled) == ["vectors"]
    assert filled.verify(repair=True).sound


def test_lost_vectors_are_embedded_again(filled, tmp_path):
    with (filled.folder / "vectors.f16").open("r+b") as file:
        file.truncate(20 * 32 * 2)
    assert places(filled) == ["vectors"]
    assert filled.verify(repair=True).sound
    assert filled.status().failures == {"unreadable": 5}
    report = filled.add()
    assert (report.added, report.embedded, report.failed) == (5, 5, 0)
    assert filled.verify().sound
    assert len(filled.query(tmp_path / "a" / "024.jpg", k=25).hits) == 25


@pytest.mark.parametrize("junk", [np.nan, 0.0, 1.0])
def test_damaged_vectors_are_embedded_again(filled, tmp_path, junk):
    vectors = np.memmap(filled.folder / "vectors.f16", "<f2", "r+").reshape(-1, 32)
    vectors[7] = junk
    vectors.flush()
    del vectors
    assert "vectors" in places(filled)
    assert filled.verify(repair=True).sound
    assert filled.add().embedded == 1
    assert filled.verify().sound
    assert filled.query(tmp_path / "a" / "007.jpg", k=1).hits[0].score == pytest.approx(1, abs=1e-3)
    assert filled.status().counts.dead == 1


def test_wrong_masks_are_derived_again(filled):
    change(filled, "UPDATE content SET live = 0 WHERE vector_row < 3")
    assert "masks" in places(filled)
    assert filled.verify(repair=True).sound


def test_contradictions_of_the_catalogue_are_told(filled):
    change(filled, "UPDATE photo SET content_id = NULL WHERE id = 1")
    assert "catalogue" in places(filled)
    assert not filled.verify(repair=True).sound


def test_a_broken_search_index_is_rebuilt(filled, tmp_path):
    path = filled.folder / "ivf.faiss"
    path.write_bytes(path.read_bytes()[:-50])
    assert places(filled) == ["search"]
    assert filled.verify(repair=True).sound
    assert len(filled.query(tmp_path / "a" / "000.jpg", k=25).hits) == 25


def test_a_search_index_of_other_vectors_is_noticed(filled, tmp_path, model):
    with Index.create(tmp_path / "other", model=str(model)) as other:
        other.add(archive(tmp_path / "b", 25, first_seed=100))
    (filled.folder / "ivf.faiss").write_bytes((tmp_path / "other" / "ivf.faiss").read_bytes())
    assert places(filled) == ["search"]
    assert filled.verify(repair=True).sound


def test_silent_damage_to_a_photo_is_found(filled, tmp_path):
    path = tmp_path / "a" / "004.jpg"
    times = path.stat().st_mtime_ns
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times, times))
    assert places(filled) == []
    (problem,) = filled.verify(hashes=True).problems
    assert (problem.place, "004.jpg" in problem.what, "other bytes" in problem.what) == ("files", True, True)


def test_changed_and_missing_photos_are_told_apart_from_damage(filled, tmp_path):
    (tmp_path / "a" / "001.jpg").write_bytes(b"new")
    (tmp_path / "a" / "002.jpg").unlink()
    whats = [problem.what for problem in filled.verify(hashes=True).problems]
    assert "has changed since" in whats[0]
    assert "cannot be read" in whats[1]
