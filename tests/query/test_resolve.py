import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from catalogues import sql
from photos import archive, photo, scene
from PIL import ExifTags, Image
from tiny import tiny_checkpoint

from retrieval import Filter, Index
from retrieval.catalogue.criteria import Criteria, Folder
from retrieval.dedupe.groups.find import FindOptions
from retrieval.errors import QueryError
from retrieval.query.resolve import resolve_folder
from retrieval.search import exact


@pytest.fixture
def filled(index, tmp_path):
    """Three folders of ten photos in two roots, two of the files with the same bytes."""
    archive(tmp_path / "a" / "2020", 10)
    archive(tmp_path / "a" / "2021", 10, first_seed=10)
    archive(tmp_path / "b", 10, first_seed=20)
    shutil.copy(tmp_path / "a" / "2020" / "003.jpg", tmp_path / "b" / "copy.jpg")
    index.add(tmp_path / "a", tmp_path / "b")
    return index


def names(hits) -> list[str]:
    return ["/".join(hit.path.parts[-2:]) for hit in hits]


def test_hits_are_the_nearest_of_those_chosen(filled, tmp_path):
    every = filled.query(scene(500), k=100).hits
    species = {hit.species for hit in every}
    assert len(species) > 1
    for wanted, holds in (
        (Filter(under="a/2021"), lambda hit: hit.path.parent.name == "2021"),
        (Filter(not_under=tmp_path / "a"), lambda hit: hit.path.parent.name == "b"),
        *((Filter(species=name.upper()), lambda hit, name=name: hit.species == name) for name in species),
        (Filter(not_species="species 1"), lambda hit: hit.species != "species 1"),
        (Filter(min_probability=0.4), lambda hit: hit.probability >= 0.4),
    ):
        expected = [(hit.path, pytest.approx(hit.score, abs=1e-6)) for hit in every if holds(hit)]
        assert 0 < len(expected) < len(every)
        assert [(hit.path, hit.score) for hit in filled.query(scene(500), k=100, filter=wanted).hits] == expected
        assert [(hit.path, hit.score) for hit in filled.query(scene(500), k=2, filter=wanted).hits] == expected[:2]


def test_of_files_with_the_same_bytes_those_chosen_are_shown(filled, tmp_path):
    image = tmp_path / "a" / "2020" / "003.jpg"
    assert names(filled.query(image, k=2).hits) == ["2020/003.jpg", "b/copy.jpg"]
    assert names(filled.query(image, k=1, filter=Filter(under="b")).hits) == ["b/copy.jpg"]
    assert names(filled.query(image, k=1, filter=Filter(not_under="b")).hits) == ["2020/003.jpg"]
    assert "copy.jpg" not in {photo.path.name for photo in filled.photos(Filter(under="a"))}
    assert filled.count(Filter(under="b")) == 11


def test_a_filter_that_nothing_satisfies_finds_nothing(filled):
    answer = filled.query(scene(1), filter=Filter(since="1990", until="1991"))
    assert (answer.hits, len(answer.predictions)) == ((), 5)
    assert list(filled.photos(Filter(since="1990"))) == []
    assert filled.species(Filter(since="1990")) == []


def test_what_comes_and_goes_is_chosen_from_then_on(filled, tmp_path):
    wanted = Filter(under="a/2021")
    assert len(filled.query(scene(1), k=50, filter=wanted).hits) == 10
    photo(tmp_path / "a" / "2021" / "new.jpg", 1_000)
    filled.add()
    assert len(filled.query(scene(1), k=50, filter=wanted).hits) == 11
    shutil.rmtree(tmp_path / "a" / "2021")
    filled.add()
    assert filled.count(wanted) == 0
    assert filled.query(scene(1), k=50, filter=wanted).hits == ()
    assert filled.count() == 21


def test_a_filter_and_near_identical_hits(filled, tmp_path):
    """Copies that the filter leaves out are not counted among those that a hit stands for."""
    image = tmp_path / "a" / "2020" / "003.jpg"
    best = filled.query(image, k=3, hide_duplicates=True).hits[0]
    assert (best.path, best.hidden) == (image, 1)
    best = filled.query(image, k=3, hide_duplicates=True, filter=Filter(under="b")).hits[0]
    assert (best.path.name, best.hidden) == ("copy.jpg", 0)
    hits = filled.query(image, k=100, hide_duplicates=True, other_species=True).hits
    assert hits
    assert filled.query(image).predictions[0].species not in {hit.species for hit in hits}


def test_other_species(filled, tmp_path):
    images = sorted((tmp_path / "a").rglob("*.jpg"))
    everything = {photo.path: photo.species for photo in filled.photos()}
    answers = list(filled.query_many([*images, scene(900)], k=100, top=1, other_species=True))
    assert len({answer.predictions[0].species for answer in answers}) > 1
    for answer in answers:
        own = {answer.predictions[0].species, everything.get(Path(answer.query))} - {None}
        assert {hit.path for hit in answer.hits} == {path for path, species in everything.items() if species not in own}
        scores = [hit.score for hit in answer.hits]
        assert scores == sorted(scores, reverse=True)


def test_other_species_among_those_of_a_filter(filled, tmp_path):
    image = tmp_path / "a" / "2020" / "003.jpg"
    own = filled.query(image).predictions[0].species
    answer = filled.query(image, k=100, top=0, filter=Filter(under="b"), other_species=True)
    assert answer.predictions == ()
    expected = {photo.path for photo in filled.photos(Filter(under="b", not_species=own))}
    assert {hit.path for hit in answer.hits} == expected
    assert expected


def test_a_recorded_species_is_left_out_even_where_the_network_now_says_another(filled, tmp_path):
    image = tmp_path / "a" / "2020" / "003.jpg"
    best = filled.query(image).predictions[0].species
    recorded = next(one.species for one in filled.species() if one.species != best)
    row = filled._store.catalogue.photos.rows(Criteria(under=(Folder("b"),)))[0]
    sql(filled.folder, "UPDATE content SET species = ? WHERE vector_row = ?", recorded, int(row))
    hits = filled.query(tmp_path / "b" / "copy.jpg", k=100, other_species=True).hits
    assert not {hit.species for hit in hits} & {best, recorded}


def test_other_species_need_species(tmp_path):
    weights = tiny_checkpoint(tmp_path / "bare.safetensors", classes=0)
    with Index.create(tmp_path / "index", model=str(weights)) as index:
        index.add(archive(tmp_path / "a", 3))
        with pytest.raises(QueryError, match="names no species"):
            index.query(scene(1), other_species=True)
        assert index.count(Filter(not_under="a")) == 0
        assert index.species() == []


def test_a_name_nobody_has_is_an_error_before_anything_is_read(filled):
    for ask in (filled.count, filled.photos, filled.species, lambda wanted: filled.query("missing.jpg", filter=wanted)):
        with pytest.raises(QueryError, match="did you mean 'species 1'"):
            ask(Filter(species="specis 1"))
        with pytest.raises(QueryError, match="did you mean"):
            ask(Filter(not_species="spezies 1"))
        with pytest.raises(QueryError, match="no photo is by a camera called 'Canon'"):
            ask(Filter(camera="Canon"))
        with pytest.raises(QueryError, match=r"in no folder of this index: its roots are a .*, b "):
            ask(Filter(under="elsewhere"))
    assert filled.count(Filter(species="species 4")) == 0  # a label that no photo has


def test_labels_are_known_without_the_classifier_too(filled):
    (filled.folder / "head.safetensors").write_bytes(b"broken")
    with Index.open(filled.folder) as index:
        assert index.count(Filter(species="species 1")) == filled.count(Filter(species="species 1")) > 0


def test_folders_as_people_write_them(filled, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path / "a" / "2020")
    (tmp_path / "a" / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for folder in ("2020", "./2020/", "../a/2020", str(tmp_path / "a" / "2020"), "~/a/2020", "../link", "a/2020"):
        assert resolve_folder(filled._store, folder) == [("a", "2020")], folder
    for folder in ("a", "../a", ".", "~/a"):
        assert resolve_folder(filled._store, folder) == [("a", "")], folder
    assert resolve_folder(filled._store, "b") == [("b", "")]
    assert resolve_folder(filled._store, "..") == [("a", ""), ("b", "")]
    assert resolve_folder(filled._store, "empty") == [("a", "empty")]
    with pytest.raises(QueryError, match="no folder 2019"):
        resolve_folder(filled._store, "2019")
    with pytest.raises(QueryError, match="is a file"):
        resolve_folder(filled._store, "2020/000.jpg")


def test_folders_of_a_disk_that_is_not_mounted(filled, tmp_path):
    (tmp_path / "a").rename(tmp_path / "unmounted")
    for folder in ("a/2020", tmp_path / "a" / "2020"):
        assert filled.count(Filter(under=folder)) == 10
    assert filled.count(Filter(under="a")) == 20


def test_a_root_inside_a_folder_belongs_to_it(index, tmp_path):
    archive(tmp_path / "a" / "inner", 3)
    archive(tmp_path / "a", 2, first_seed=50)
    index.add(tmp_path / "a" / "inner")
    index.add(tmp_path / "a")
    assert index.count(Filter(under=tmp_path / "a")) == 5
    assert index.count(Filter(under=tmp_path / "a" / "inner")) == 3
    assert index.count(Filter(not_under="inner")) == 2


@pytest.mark.skipif(os.name == "nt", reason="names there are text")
def test_a_folder_whose_name_is_no_text(index, tmp_path):
    folder = tmp_path / "a" / os.fsdecode(b"M\xfcll")
    archive(folder, 2)
    index.add(tmp_path / "a")
    assert index.count(Filter(under=folder)) == 2
    assert [photo.path for photo in index.photos(Filter(under=folder))] == sorted(folder.iterdir())


def test_dates_and_cameras_of_real_files(index, tmp_path):
    for number, (taken, camera) in enumerate((("2020:12:31 23:59:59", "EOS R5"), ("2021:01:01 00:00:00", "EOS 7D"))):
        exif = Image.Exif()
        exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Canon", f"Canon {camera}"
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
        photo(tmp_path / "a" / f"{number}.jpg", number, exif=exif)
    photo(tmp_path / "a" / "undated.jpg", 9)
    index.add(tmp_path / "a")
    assert [one.path.name for one in index.photos(Filter(until="2020"))] == ["0.jpg"]
    assert [one.path.name for one in index.photos(Filter(since="2021"))] == ["1.jpg"]
    assert [one.path.name for one in index.photos(Filter(camera="r5"))] == ["0.jpg"]
    assert [one.path.name for one in index.photos(Filter(not_camera="r5"))] == ["1.jpg", "undated.jpg"]
    assert [one.path.name for one in index.photos(order="date", reverse=True)] == ["1.jpg", "0.jpg", "undated.jpg"]
    assert index.without("date") == 1
    listed = next(index.photos())
    assert (listed.camera, listed.width, listed.height) == ("Canon EOS R5", 96, 64)
    assert listed.size == listed.path.stat().st_size
    found = index.species(Filter(since="2020"))
    assert sum(one.photos for one in found) == sum(one.days for one in found) == 2


def test_only_files_that_match_take_part_in_the_search_for_duplicates(filled, tmp_path):
    def groups(**wanted):
        options = FindOptions(filter=Filter(**wanted) if wanted else None)
        return [
            {group.keeper.path.name, *(m.file.path.name for m in group.members)}
            for group in filled.duplicates(options).plan.groups
        ]

    assert groups() == [{"003.jpg", "copy.jpg"}]
    assert groups(under="b") == []
    species = filled.query(tmp_path / "b" / "copy.jpg").hits[0].species
    assert groups(species=species) == [{"003.jpg", "copy.jpg"}]
    assert groups(not_species=species) == []
    with pytest.raises(QueryError, match="did you mean"):
        groups(species="specis 1")


def test_a_large_index_is_searched_inside_the_filter(index, tmp_path):
    """With an IVF, and a filter as selective as can be: still exact."""
    folder = archive(tmp_path / "a", 300)
    photo(folder / "rare" / "1.jpg", 1_000)
    photo(folder / "rare" / "2.jpg", 1_001)
    index.add(folder)
    vectors = np.stack([one.vector for one in index.embedder.embed(sorted((folder / "rare").iterdir()))])
    query = index.embedder.embed([scene(5)])[0].vector
    _, rows = exact.search(vectors, query[np.newaxis], 2)
    answer = index.query(scene(5), k=5, filter=Filter(under=folder / "rare"))
    assert [hit.path.name for hit in answer.hits] == [f"{row + 1}.jpg" for row in rows[0]]
