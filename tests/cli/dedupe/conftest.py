"""A working folder with an index of photos, some of them duplicates."""

import json
import shutil

import pytest
from calling import call
from textures import EDITS, saved, textured

SIZE = (200, 150)


@pytest.fixture(scope="module")
def made(tmp_path_factory, model):
    """./archive with a copy, an edit and one more photo, indexed under ./indexes."""
    folder = tmp_path_factory.mktemp("library")
    archive = folder / "archive"
    picture = textured(1, SIZE)
    one = saved(picture, archive / "one.jpg", quality=95)
    (archive / "b").mkdir()
    shutil.copy(one, archive / "b" / "copy\nof one.jpg")
    saved(EDITS["mirrored"](picture), archive / "b" / "edit.jpg", quality=90)
    saved(textured(2, SIZE), archive / "two.jpg")
    assert call("index", archive, "--index", folder / "indexes" / "archive", "--model", model).exit_code == 0
    return folder


@pytest.fixture
def library(place, made):
    """The working folder, with a copy of that."""
    shutil.copytree(made, place, dirs_exist_ok=True)
    manifest = place / "indexes" / "archive" / "index.json"
    document = json.loads(manifest.read_bytes())
    document["roots"]["archive"] = str(place / "archive")
    manifest.write_text(json.dumps(document))
    return place
