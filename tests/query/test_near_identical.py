import io
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

import numpy as np
import pytest
from bench.catalogue_rows import Shape, fill
from catalogues import sql
from photos import archive, scene
from PIL import Image

from retrieval.catalogue.ignored_pairs import IgnoredPair
from retrieval.query.near_identical import (
    BURST_S,
    FARTHEST,
    HASH_BITS,
    LEAST_FARTHEST,
    NearIdenticalRows,
    SearchLimits,
    search_distinct,
)
from retrieval.search import exact
from retrieval.store import Store

D = 16
NOON = datetime(2024, 5, 1, 12)


def made(folder, vectors, traits):
    """An index of vectors, and of each row: how many bits of its hash are set, its camera, its seconds from noon."""
    folder.mkdir()
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors.astype("<f2").tofile(folder / "vectors.f16")
    fill(folder, len(vectors), dimension=vectors.shape[1], shape=Shape(copies=0, failed=0))
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as connection, connection:
        for row, (bits, camera, seconds) in enumerate(traits):
            preview = None if bits is None else ((1 << bits) - 1).to_bytes(8, "big")
            time = None if seconds is None else (NOON + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
            connection.execute("UPDATE content SET camera = ?, taken_at = ? WHERE vector_row = ?", (camera, time, row))
            change = (
                "DELETE FROM preview WHERE content_id = ?"
                if preview is None
                else "UPDATE preview SET hash = ? WHERE content_id = ?"
            )
            connection.execute(change, (row + 1,) if preview is None else (preview, row + 1))
    return Store.open(folder)


def around(cosines):
    """Unit vectors with these cosines to the first axis, otherwise far from each other."""
    vectors = np.zeros((len(cosines), 1 + len(cosines)), np.float32)
    vectors[:, 0] = cosines
    vectors[np.arange(len(cosines)), 1 + np.arange(len(cosines))] = np.sqrt(1 - np.square(cosines))
    return vectors


def ask(store, k, min_score=-2.0):
    """The answer to the first axis: rows, and what each hides."""
    rows = store.catalogue.contents.vectors()
    vectors = store.vectors.read(rows)
    query = np.eye(1, store.vectors.dimension, dtype=np.float32)
    wanted = SearchLimits(min(k, rows), rows, min_score)
    with store.snapshot() as now:
        found = search_distinct(
            now.catalogue, vectors, lambda asked, depth: exact.search(vectors, asked, depth), query, wanted
        )
    return [(one.row, one.hidden) for one in found[0]]


def test_close_hashes_count_only_with_close_embeddings(tmp_path):
    cosines = [0.999, 0.998, 0.997, 0.5, 0.4]
    traits = [
        (0, None, None),
        (HASH_BITS, None, None),
        (HASH_BITS + 1, None, None),
        (0, None, None),
        (None, None, None),
    ]
    store = made(tmp_path / "i", around(cosines), traits)
    # Row 1 looks like row 0; row 2 differs by a bit more; row 3 looks like row 0, but shows other things.
    assert ask(store, 4) == [(0, (1,)), (2, ()), (3, ()), (4, ())]
    store.close()


def test_what_hides_stands_for_it_directly(tmp_path):
    """Row 2 looks like row 1, which is hidden, and not like row 0: it stands for itself."""
    traits = [(0, None, None), (8, None, None), (16, None, None)]
    store = made(tmp_path / "i", around([0.999, 0.998, 0.997]), traits)
    assert ask(store, 3) == [(0, (1,)), (2, ())]
    store.close()


@pytest.mark.parametrize(
    ("camera", "seconds", "cosine", "hidden"),
    [
        ("A", BURST_S, 0.99, True),
        ("A", BURST_S + 0.1, 0.99, False),
        ("B", 1.0, 0.99, False),
        (None, 1.0, 0.99, False),
        ("A", None, 0.99, False),
        ("A", 1.0, 0.5, False),
    ],
)
def test_frames_of_a_burst(tmp_path, camera, seconds, cosine, hidden):
    store = made(tmp_path / "i", around([0.999, cosine]), [(0, "A", 0.0), (40, camera, seconds)])
    assert ask(store, 2) == ([(0, (1,))] if hidden else [(0, ()), (1, ())])
    store.close()


def test_records_of_duplicates_and_of_differences(tmp_path):
    traits = [(0, None, None), (40, None, None), (0, None, None)]
    store = made(tmp_path / "i", around([0.999, 0.6, 0.998]), traits)
    assert ask(store, 3) == [(0, (2,)), (1, ())]
    sql(store.folder, "INSERT INTO picture_match VALUES (1, 2, 'near', 0.6, 0.9, 'cropped', '', '', '')")
    assert ask(store, 3) == [(0, (2, 1))]
    hashes = [row[0] for row in sql(store.folder, "SELECT hash FROM content ORDER BY vector_row")]
    store.catalogue.ignored_pairs.add([IgnoredPair.of(hashes[0], hashes[2]), IgnoredPair.of(hashes[1], hashes[0])])
    assert ask(store, 3) == [(0, ()), (2, ()), (1, ())]
    store.close()


def test_it_looks_further_until_there_are_enough(tmp_path):
    n = 600
    cosines = np.linspace(0.9999, 0.999, n)
    cosines[500:] = np.linspace(0.8, 0.7, n - 500)
    previews = [(0, None, None)] * 500 + [(None, None, None)] * (n - 500)
    store = made(tmp_path / "i", around(cosines), previews)
    found = ask(store, 5)
    assert [row for row, _ in found] == [0, 500, 501, 502, 503]
    assert found[0][1] == tuple(range(1, 500))
    assert [row for row, _ in ask(store, 5, min_score=0.795)][:2] == [0, 500]
    store.close()


def test_hidden_are_those_that_would_have_stood_among_the_hits(tmp_path):
    """The same answer, however far was searched: what ranks behind the last hit is not counted."""
    traits = [(0, None, None), (None, None, None), (0, None, None)]
    store = made(tmp_path / "i", around([0.999, 0.998, 0.997]), traits)
    assert ask(store, 1) == [(0, ())]
    assert ask(store, 2) == [(0, ()), (1, ())]
    assert ask(store, 3) == [(0, (2,)), (1, ())]
    store.close()


def test_how_far_is_bounded():
    assert SearchLimits(20, 10**6).farthest == FARTHEST * 20
    assert SearchLimits(1, 10**6).farthest == LEAST_FARTHEST
    assert SearchLimits(20, 50).farthest == 50


def test_rows_that_were_not_found_count_for_nothing(tmp_path):
    store = made(tmp_path / "i", around([0.9, 0.8]), [(None, None, None)] * 2)
    judge = NearIdenticalRows(store.catalogue, store.vectors.read(2), [0, 1])
    scores, rows = np.array([0.9, -np.inf], np.float32), np.array([0, -1])
    assert [(one.row, one.hidden) for one in judge.first_of_each(scores, rows, 2)] == [(0, ())]
    store.close()


def test_a_real_archive(index, tmp_path):
    """Copies, and the same picture compressed anew, are one hit; k others are still found."""
    folder = archive(tmp_path / "a", 20)
    shutil.copy(folder / "003.jpg", folder / "copy.jpg")
    for quality in (60, 75):
        Image.open(folder / "003.jpg").save(folder / f"q{quality}.jpg", quality=quality)
    index.add(folder)
    plain = index.query(folder / "003.jpg", k=6)
    assert {hit.path.name for hit in plain.hits[:4]} == {"003.jpg", "copy.jpg", "q60.jpg", "q75.jpg"}
    assert plain.hits[0].hidden is None
    answer = index.query(folder / "003.jpg", k=6, hide_duplicates=True)
    assert [hit.rank for hit in answer.hits] == [1, 2, 3, 4, 5, 6]
    assert (answer.hits[0].path.name, answer.hits[0].hidden) == ("003.jpg", 3)
    assert [hit.path for hit in answer.hits[1:3]] == [hit.path for hit in plain.hits[4:]]
    everything = index.query(folder / "003.jpg", k=1_000, hide_duplicates=True)
    assert sum(1 + hit.hidden for hit in everything.hits) == 23
    index.ignore([folder / "003.jpg", folder / "q60.jpg"])
    assert index.query(folder / "003.jpg", k=6, hide_duplicates=True).hits[0].hidden == 2


def test_a_stored_photo_and_its_bytes_hide_alike(index, tmp_path):
    folder = archive(tmp_path / "a", 8)
    index.add(folder)
    buffer = io.BytesIO()
    scene(100).save(buffer, "png")
    by_bytes, by_picture = index.query_many([buffer.getvalue(), scene(100)], k=4, hide_duplicates=True)
    assert [hit.path for hit in by_bytes.hits] == [hit.path for hit in by_picture.hits]
