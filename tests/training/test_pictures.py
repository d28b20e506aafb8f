import numpy as np
import pytest
from photos import photo
from PIL import Image

from retrieval.errors import ArchiveError
from retrieval.training.pictures import Gathering, difference_hash, why_not


def test_photos_are_kept_in_their_order_and_scaled_down(tmp_path, noisy):
    noisy(1, (400, 200)).save(tmp_path / "b.jpg")
    noisy(2).save(tmp_path / "a.png")
    found = list(Gathering([tmp_path], 160))
    assert [picture.name for picture in found] == [f"{tmp_path.name}/a.png", f"{tmp_path.name}/b.jpg"]
    assert [picture.pixels.shape for picture in found] == [(120, 160, 3), (80, 160, 3)]


def test_what_teaches_nothing_is_left_out_and_counted(tmp_path, noisy):
    noisy(1).save(tmp_path / "1 photo.png")
    noisy(1).save(tmp_path / "2 same in another format.jpg", quality=95)
    photo(tmp_path / "3 tiny.png", 3, (60, 200))
    Image.new("RGB", (100, 100), (90, 20, 30)).save(tmp_path / "4 uniform.png")
    text = np.full((100, 100, 3), 255, np.uint8)
    text[10:90:8, 10:60] = 0
    Image.fromarray(text).save(tmp_path / "5 text.png")
    (tmp_path / "6 broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    gathering = Gathering([tmp_path], 512)
    assert [picture.name.partition("/")[2] for picture in gathering] == ["1 photo.png"]
    assert gathering.skipped == {"duplicate": 1, "tiny": 1, "uniform": 1, "flat": 1, "undecodable": 1}


def test_everything_decodable_is_kept_without_sifting(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (32, 32)).save(tmp_path / name)
    assert len(list(Gathering([tmp_path], 512, sift=False))) == 2


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ArchiveError, match="no folder"):
        list(Gathering([tmp_path / "missing"], 512))


def test_photos_are_not_mistaken_for_drawings(noisy):
    assert [why_not(noisy(seed)) for seed in range(20)] == [None] * 20


def test_different_photos_have_different_fingerprints(noisy):
    assert len({difference_hash(noisy(seed)) for seed in range(50)}) == 50
    assert difference_hash(noisy(7)) == difference_hash(noisy(7).resize((400, 300)))
