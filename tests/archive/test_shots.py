from pathlib import Path

import pytest

from retrieval.archive.shots import Shots, rest_of_shot


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def rest(folder: Path, name: str) -> list[str]:
    return sorted(path.name for path in rest_of_shot(folder / name))


def test_raw_pictures_and_sidecars_are_one_shot_from_each_side(tmp_path):
    shot = ["IMG_1.CR2", "IMG_1.CR2.xmp", "IMG_1.HEIC", "IMG_1.JPG", "IMG_1.jpg.pp3", "IMG_1.mov", "img_1.XMP"]
    fill(tmp_path, *shot, "IMG_10.JPG", "IMG_10.xmp", "IMG_1 copy.JPG", "notes.txt")
    for name in ("IMG_1.CR2", "IMG_1.HEIC", "IMG_1.JPG"):
        assert rest(tmp_path, name) == sorted(set(shot) - {name})
    assert rest(tmp_path, "IMG_10.JPG") == ["IMG_10.xmp"]
    assert rest(tmp_path, "IMG_1 copy.JPG") == []


@pytest.mark.parametrize("names", [("a.jpg", "a.png"), ("a.jpg", "a.JPEG"), ("a.CR2", "a.dng")])
def test_two_pictures_or_two_raws_of_one_stem_are_not_one_shot(tmp_path, names):
    fill(tmp_path, *names, "a.xmp", f"{names[0]}.xmp")
    assert rest(tmp_path, names[0]) == [f"{names[0]}.xmp"]  # the stem's sidecar is the other's as well
    assert rest(tmp_path, names[1]) == []


def test_a_sidecar_of_the_stem_goes_with_the_last_photo_that_has_it(tmp_path):
    fill(tmp_path, "a.jpg", "a.png", "a.xmp")
    shots = Shots()
    assert shots.rest_of_shot(tmp_path / "a.jpg") == ()
    shots.forget([tmp_path / "a.jpg"])
    assert shots.rest_of_shot(tmp_path / "a.png") == (tmp_path / "a.xmp",)
    shots.forget([tmp_path / "a.xmp"])
    assert shots.rest_of_shot(tmp_path / "a.png") == ()


@pytest.mark.parametrize(
    "sidecar",
    ["a.jpg.json", "a.jpg.supplemental-metadata.json", "A.JPG.XMP", "a.jpg.out.pp3", "a_01.jpg.xmp", "a.dop", "a.wav"],
)
def test_sidecars_of_many_tools(tmp_path, sidecar):
    fill(tmp_path, "a.jpg", sidecar, "b.jpg")
    assert rest(tmp_path, "a.jpg") == [sidecar]
    assert rest(tmp_path, "b.jpg") == []


@pytest.mark.parametrize("other", ["a.json", "a.txt", "a.mp4", "a.jpg~", "ab.xmp", "a.jpg.zip"])
def test_other_files_are_no_sidecars(tmp_path, other):
    fill(tmp_path, "a.jpg", other)
    assert rest(tmp_path, "a.jpg") == []


def test_the_longest_name_owns_the_sidecar(tmp_path):
    fill(tmp_path, "a.jpg", "a.jpg.png", "a.jpg.png.xmp", "a_01.jpg", "a_01.jpg.xmp")
    assert rest(tmp_path, "a.jpg") == []
    assert rest(tmp_path, "a.jpg.png") == ["a.jpg.png.xmp"]
    assert rest(tmp_path, "a_01.jpg") == ["a_01.jpg.xmp"]


def test_names_that_differ_in_case_keep_their_own_sidecars(tmp_path):
    fill(tmp_path, "a.jpg", "a.jpg.xmp", "A.jpg", "A.jpg.xmp")
    if len(list(tmp_path.iterdir())) < 4:
        pytest.skip("this file system does not tell a from A")
    assert rest(tmp_path, "a.jpg") == ["a.jpg.xmp"]
    assert rest(tmp_path, "A.jpg") == ["A.jpg.xmp"]


def test_links_and_folders_are_no_part_of_a_shot(tmp_path):
    fill(tmp_path, "a.jpg", "elsewhere.cr2")
    (tmp_path / "a.xmp").mkdir()
    (tmp_path / "a.cr2").symlink_to(tmp_path / "elsewhere.cr2")
    assert rest(tmp_path, "a.jpg") == []


def test_a_folder_is_listed_once(tmp_path):
    fill(tmp_path, "a.jpg", "a.xmp")
    shots = Shots()
    assert shots.rest_of_shot(tmp_path / "a.jpg") == (tmp_path / "a.xmp",)
    fill(tmp_path, "a.jpg.xmp")
    assert shots.rest_of_shot(tmp_path / "a.jpg") == (tmp_path / "a.xmp",)
    with pytest.raises(OSError, match="missing"):
        rest_of_shot(tmp_path / "missing" / "a.jpg")


def test_a_video_goes_along_only_where_it_shows_the_shot(tmp_path):
    fill(tmp_path, "a.CR2", "a.JPG", "a.mov", "a.xmp")
    asked = []

    def is_moving_part(photo, video):
        asked.append((photo.name, video.name))
        return False

    shots = Shots(is_moving_part)
    for _ in range(2):
        assert shots.rest_of_shot(tmp_path / "a.JPG") == (tmp_path / "a.CR2", tmp_path / "a.xmp")
    assert sorted(asked) == [("a.CR2", "a.mov"), ("a.JPG", "a.mov")]
    assert tmp_path / "a.mov" in Shots().rest_of_shot(tmp_path / "a.JPG")
