import hashlib

import pytest
from catalogues import contents, reindex, sql


def test_live_contents_by_row(store, index, tmp_path):
    ids, rows = store.catalogue.contents.live()
    assert rows.tolist() == list(range(6))
    assert len(set(ids.tolist())) == 6
    reindex(index, tmp_path / "archive" / "002.jpg")
    assert len(store.catalogue.contents.live()[0]) == 5
    reindex(index, tmp_path / "archive" / "000.jpg")
    assert len(store.catalogue.contents.live()[0]) == 5  # its copy is there


def test_a_file_is_known_by_its_size_and_time(store, tmp_path):
    path = tmp_path / "archive" / "003.jpg"
    facts = path.stat()
    found = store.catalogue.contents.of_file("archive", "003.jpg", facts.st_size, facts.st_mtime_ns)
    assert found is not None
    assert found == store.catalogue.contents.with_hash(hashlib.sha256(path.read_bytes()).digest())
    assert store.catalogue.contents.of_file("archive", "003.jpg", facts.st_size + 1, facts.st_mtime_ns) is None
    assert store.catalogue.contents.of_file("archive", "003.jpg", facts.st_size, facts.st_mtime_ns + 1) is None
    assert store.catalogue.contents.of_file("another", "003.jpg", facts.st_size, facts.st_mtime_ns) is None


def test_a_photo_that_is_gone_is_known_by_its_bytes_alone(store, index, tmp_path):
    path = tmp_path / "archive" / "003.jpg"
    facts, digest = path.stat(), hashlib.sha256(path.read_bytes()).digest()
    reindex(index, path)
    assert store.catalogue.contents.of_file("archive", "003.jpg", facts.st_size, facts.st_mtime_ns) is None
    assert store.catalogue.contents.with_hash(digest) is not None
    assert store.catalogue.contents.with_hash(b"x" * 32) is None


@pytest.mark.parametrize(("retry", "settled"), [((), True), (("truncated",), True), (("not-a-photo", "empty"), False)])
def test_bytes_that_failed_are_read_again_when_their_kind_of_failure_is_retried(store, index, tmp_path, retry, settled):
    broken = tmp_path / "archive" / "broken.jpg"
    broken.write_text("not a photo")
    index.add()
    assert store.catalogue.contents.is_settled(hashlib.sha256(b"not a photo").digest(), retry) == settled
    good = hashlib.sha256((tmp_path / "archive" / "001.jpg").read_bytes()).digest()
    assert store.catalogue.contents.is_settled(good, retry)
    assert not store.catalogue.contents.is_settled(b"x" * 32, retry)


def test_traits_of_rows(store, tmp_path):
    sql(store.folder, "UPDATE content SET camera = 'Canon', taken_at = '2021-03-04T06:12:33.250' WHERE vector_row = 1")
    sql(store.folder, "INSERT INTO outdated_hash VALUES (2, 2, 7)")
    by_name = contents(store)
    traits = store.catalogue.contents.traits([0, 1, 99])
    assert traits.keys() == {0, 1}
    assert traits[0].content == by_name["000.jpg"]
    assert traits[0].hash == hashlib.sha256((tmp_path / "archive" / "000.jpg").read_bytes()).digest()
    assert (traits[0].camera, traits[0].taken_at, traits[0].outdated_rules) == (None, None, None)
    assert (traits[1].camera, traits[1].taken_at.microsecond, traits[1].outdated_rules) == ("Canon", 250_000, 7)
    previews = store.catalogue.previews.of([traits[0].content])
    assert traits[0].preview_hash == previews[traits[0].content].hash


def test_vectors_count_rows_of_gone_photos_too(store, index, tmp_path):
    reindex(index, tmp_path / "archive" / "deep" / "last.png")
    assert store.catalogue.contents.vectors() == 6
    assert store.catalogue.contents.dead_rows().tolist() == [5]
