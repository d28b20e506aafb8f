"""Directories of tags, sound and broken."""

import io
import struct

import pytest
from exif_blocks import LONG, RATIO, SHORT, SIGNED, TEXT, block
from hypothesis import given
from hypothesis import strategies as st
from photos import scene
from PIL import Image

from retrieval.decode.tiff_directory import directories, open_tiff


def test_values_of_every_kind_come_back() -> None:
    data = block(
        {
            1: (SHORT, (7,)),
            2: (LONG, (1, 70_000)),
            3: (RATIO, ((1, 250),)),
            4: (SIGNED, ((-1, 3),)),
            5: (TEXT, "two words"),
        }
    )
    tags = open_tiff(data)
    assert tags.integer(1) == 7
    assert tags.numbers(2) == (1, 70_000)
    assert tags.number(3) == 1 / 250
    assert tags.number(4) == pytest.approx(-1 / 3)
    assert tags.raw(5) == b"two words\0"
    assert tags.integer(99) is None
    assert tags.raw(99) == b""


def test_a_zero_denominator_is_no_number() -> None:
    assert open_tiff(block({3: (RATIO, ((1, 0),))})).number(3) is None


def test_a_directory_inside_another() -> None:
    assert open_tiff(block(exif={33434: (RATIO, ((1, 60),))})).inside(34665).number(33434) == 1 / 60
    assert not open_tiff(block()).inside(34665).entries


@pytest.mark.parametrize("big", [False, True])
def test_pages_of_a_tiff_are_its_chain(big: bool) -> None:
    buffer = io.BytesIO()
    scene(1).save(buffer, "TIFF", save_all=True, append_images=[scene(2), scene(3)], big_tiff=big)
    pages = list(directories(open_tiff(buffer.getvalue())))
    assert [page.integer(256) for page in pages] == [96, 96, 96]


def test_a_chain_that_loops_ends() -> None:
    data = bytearray(block({1: (SHORT, (7,))}))
    (first,) = struct.unpack_from("<I", data, 4)
    struct.pack_into("<I", data, first + 2 + 12, first)
    assert len(list(directories(open_tiff(bytes(data))))) <= 2


def test_values_beyond_the_end_are_left_out() -> None:
    data = block({5: (TEXT, "a long text behind the directory"), 1: (SHORT, (7,))})
    (first,) = struct.unpack_from("<I", data, 4)
    moved = data[:4] + struct.pack("<I", 8) + data[first:]
    tags = open_tiff(moved)
    assert tags.integer(1) == 7
    assert tags.raw(5) == b""


@given(st.binary(max_size=200), st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"IIU\0"]))
def test_no_bytes_fail(body: bytes, magic: bytes) -> None:
    for directory in directories(open_tiff(magic + body)):
        for tag in directory.entries:
            directory.numbers(tag)
            directory.inside(tag)


def test_big_endian_too() -> None:
    exif = Image.Exif()
    exif.endian = ">"
    exif[271] = "Maker"
    assert open_tiff(exif.tobytes()[6:]).raw(271) == b"Maker\0"
