import zipfile

import numpy as np
import pytest

from retrieval.errors import ArchiveError
from retrieval.training import bundle


@pytest.fixture
def folder(tmp_path, noisy):
    (tmp_path / "photos" / "wren").mkdir(parents=True)
    for seed in range(3):
        noisy(seed).save(tmp_path / "photos" / "wren" / f"{seed}.png")
    return tmp_path / "photos"


def test_a_bundle_holds_what_its_folders_hold(folder, tmp_path):
    path = tmp_path / "pictures.bundle"
    packed = bundle.pack([folder], path, quality=95)
    assert packed == bundle.Packed(3, path.stat().st_size, {})
    from_bundle, from_folder = bundle.load([path]), bundle.load([folder])
    assert [picture.name for picture in from_bundle] == [f"photos/wren/{n}.png.jpg" for n in range(3)]
    for one, other in zip(from_bundle, from_folder, strict=True):
        assert np.abs(one.pixels.astype(int) - other.pixels).mean() < 9  # grain in colour is what JPEG takes first


def test_the_same_pictures_make_the_same_file(folder, tmp_path):
    for name in ("a", "b"):
        bundle.pack([folder], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_any_tool_can_open_it(folder, tmp_path):
    bundle.pack([folder], tmp_path / "a", long_side=100)
    with zipfile.ZipFile(tmp_path / "a") as file:
        assert all(file.read(name).startswith(b"\xff\xd8") for name in file.namelist())


def test_a_bundle_of_nothing_is_refused_and_not_written(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchiveError, match="no pictures"):
        bundle.pack([tmp_path / "empty"], tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_file_that_is_no_bundle_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"nothing of the kind")
    with pytest.raises(ArchiveError, match="no bundle"):
        bundle.load([tmp_path / "a"])


def test_a_folder_without_pictures_names_what_was_left_out(tmp_path, noisy):
    noisy(1, (40, 40)).save(tmp_path / "a.png")
    with pytest.raises(ArchiveError, match="1 tiny"):
        bundle.load([tmp_path])
