import json
from datetime import datetime
from pathlib import Path

from retrieval.present import photos as present
from retrieval.present.view import Layout, render
from retrieval.records import Failure, ListedPhoto, ListedSpecies

PHOTO = ListedPhoto(Path("/p/a.jpg"), "heron", 0.75, datetime(2021, 3, 4, 6), "Canon", 1.5, 2.5, 60, 40, 2_500_000)
BARE = ListedPhoto(Path("/p/b.jpg"), None, None, None, None, None, None, None, None, 10)
SPECIES = ListedSpecies("heron", 1_200, 3, datetime(2021, 3, 4), None, 0.5, Path("/p/a.jpg"))


def text(show, found, form, **options):
    layout = Layout(form)
    return "".join(render(show(iter(found), layout, **options), layout))


def test_a_photo_is_a_row_with_all_that_is_known():
    first, second = json.loads(text(present.photos, [PHOTO, BARE], "json"))
    assert (first["path"], first["probability"], first["taken_at"]) == ("/p/a.jpg", 0.75, "2021-03-04T06:00:00")
    assert second["species"] is None
    table = text(present.photos, [PHOTO, BARE], "table").splitlines()
    assert "2021-03-04 06:00" in table[1] and "75%" in table[1] and "2.5" in table[1]
    assert text(present.photos, [PHOTO, BARE], "paths") == "/p/a.jpg\n/p/b.jpg\n"
    assert text(present.photos, [], "table") == "no photos found\n"


def test_a_life_list_names_the_best_photo():
    table = text(present.species, [SPECIES], "table").splitlines()
    assert "1,200" in table[1] and table[1].endswith("/p/a.jpg")
    assert json.loads(text(present.species, [SPECIES], "jsonl"))["last"] is None
    assert text(present.species, [SPECIES], "table", label_kind="general").startswith("general label")


def test_failures_have_their_reason():
    failure = Failure(Path("/p/a.jpg"), "empty", "no bytes")
    assert json.loads(text(present.failures, [failure], "json")) == [
        {"path": "/p/a.jpg", "kind": "empty", "reason": "no bytes"}
    ]
    assert text(present.failures, [], "table") == "no photo failed\n"
