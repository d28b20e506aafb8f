"""Items of HEIC files, as an encoder writes them and as broken bytes leave them."""

import io

import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photos import photo, scene

from retrieval.decode.heif_items import is_iso_media, read_heif

pillow_heif.register_heif_opener()
EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"


def heic() -> bytes:
    buffer = io.BytesIO()
    scene(1, (96, 64)).save(buffer, "HEIF", exif=EXIF, quality=50)
    return buffer.getvalue()


HEIC = heic()


def test_the_primary_item_is_a_picture_of_that_size() -> None:
    heif = read_heif(HEIC)
    assert heif.primary is not None
    picture = heif.items[heif.primary]
    assert picture.kind in (b"hvc1", b"grid")
    size = picture.property(b"ispe")
    assert size is not None
    assert [int.from_bytes(size[at : at + 4], "big") for at in (4, 8)] == [96, 64]
    assert picture.property(b"none") is None


def test_metadata_is_an_item_that_refers_to_the_picture() -> None:
    heif = read_heif(HEIC)
    (exif,) = (item for item in heif.items.values() if item.kind == b"Exif")
    assert heif.body(exif).endswith(EXIF[6:])
    assert (b"cdsc", exif.number, (heif.primary,)) in heif.references


def test_an_item_that_lies_outside_the_file_has_no_body() -> None:
    heif = read_heif(HEIC)
    item = heif.items[heif.primary]
    item.extents = ((len(HEIC) + 5, 10),)
    assert heif.body(item) == b""
    item.extents = ((0, 10**9),)
    assert heif.body(item) == b""


def test_brands_tell_the_format(tmp_path) -> None:
    assert is_iso_media(HEIC)
    assert not is_iso_media(photo(tmp_path / "a.jpg", 1).read_bytes())
    assert not is_iso_media(b"")
    assert not is_iso_media(HEIC[:8] + b"isom" + HEIC[12:16] + b"mp42" * 4)


@pytest.mark.parametrize("kept", [0, 4, 11, 40, 100, 200, 300])
def test_a_file_that_ends_early_gives_what_it_has(kept: int) -> None:
    assert read_heif(HEIC[:kept]).items.keys() <= read_heif(HEIC).items.keys()


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=8))
def test_no_damage_fails(flips: list[tuple[int, int]]) -> None:
    data = bytearray(HEIC)
    for at, value in flips:
        data[min(at, len(data) - 1)] = value
    heif = read_heif(bytes(data))
    for item in heif.items.values():
        heif.body(item)
