import json
from pathlib import Path

import pytest

from retrieval.errors import IndexFormatError, IndexNotFoundError
from retrieval.manifest import FORMAT, MANIFEST_NAME, Manifest, Model

MODEL = Model("tiny", "/models/tiny.pt", "ab" * 32, 32, 48, 16, 5, "fp32")


def test_what_is_written_is_read_back(tmp_path):
    manifest = Manifest(MODEL, {"birds": Path("/photos/birds"), "raw \udcff": Path("/photos/\udcff")})
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST_NAME]


def test_no_index(tmp_path):
    with pytest.raises(IndexNotFoundError, match="no index in"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": FORMAT + 1}, "upgrade retrieval"),
        ({"format": None}, "not from this program"),
        ({"model": None}, "incomplete"),
        ({"model": {"name": "x"}}, "incomplete"),
        ({"roots": []}, "incomplete"),
        ({"transform": "another"}, "prepared in another way"),
    ],
)
def test_foreign_and_broken_settings_are_refused(tmp_path, change, message):
    Manifest(MODEL).write(tmp_path)
    path = tmp_path / MANIFEST_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(IndexFormatError, match=message) as error:
        Manifest.read(tmp_path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("field", ["height", "dimension", "sha256"])
def test_settings_of_the_wrong_type_are_refused(tmp_path, field):
    Manifest(MODEL).write(tmp_path)
    path = tmp_path / MANIFEST_NAME
    document = json.loads(path.read_text())
    document["model"][field] = ["?"]
    path.write_text(json.dumps(document))
    with pytest.raises(IndexFormatError, match="incomplete"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "\x00\xff"])
def test_what_is_no_json_object_is_refused(tmp_path, text):
    (tmp_path / MANIFEST_NAME).write_text(text)
    with pytest.raises(IndexFormatError, match=MANIFEST_NAME):
        Manifest.read(tmp_path)


def test_roots_get_their_folders_names_numbered_where_taken():
    manifest = Manifest(MODEL)
    for path in ("/a/birds", "/b/birds", "/c/birds", "/c/raw"):
        manifest = manifest.with_root(Path(path))
    assert list(manifest.roots) == ["birds", "birds-2", "birds-3", "raw"]


def test_a_path_belongs_to_the_innermost_root():
    manifest = Manifest(MODEL, {"all": Path("/photos"), "raw": Path("/photos/raw")})
    assert manifest.locate(Path("/photos/a/b.jpg")) == ("all", "a/b.jpg")
    assert manifest.locate(Path("/photos/raw/b.nef")) == ("raw", "b.nef")
    assert manifest.locate(Path("/photos")) == ("all", "")
    assert manifest.locate(Path("/photosets/b.jpg")) is None
    assert manifest.nested_roots(Path("/photos")) == {"raw": Path("/photos/raw")}


def test_relocating_an_unknown_root_lists_the_known():
    with pytest.raises(IndexFormatError, match="its roots are: birds"):
        Manifest(MODEL, {"birds": Path("/a")}).relocated("brids", Path("/b"))


def test_mounts_inside_roots_are_kept_and_need_not_be_there(tmp_path):
    manifest = Manifest(MODEL, {"birds": Path("/photos")}, mounts={"birds": ("disk", "raw \udcff/disk")})
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest
    path = tmp_path / MANIFEST_NAME
    document = json.loads(path.read_text())
    del document["mounts"]  # as before there were any
    path.write_text(json.dumps(document))
    assert Manifest.read(tmp_path).mounts == {}
