"""Auxiliary pictures, tracks and damage of HEIC and AVIF files."""

import io
import struct

import numpy as np
import pillow_heif
import pytest
from colour_profiles import DISPLAY_P3, profile
from encoded_photos import heic
from photos import scene

from retrieval.decode.holdings.heif import heif_holdings
from retrieval.decode.holdings.record import AUDIO, CUT_OFF, DEPTH_MAP, GAIN_MAP, INCOMPLETE, MATTE, VIDEO


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def heif(*auxiliary: bytes, parts: bytes = b"", primary: int = 1, pixi: bytes = b"\3\x0a\x0a\x0a") -> bytes:
    """A file of one picture and auxiliary ones with these names; `parts` are further boxes behind it."""
    numbers = range(1, 2 + len(auxiliary))
    entries = b"".join(box(b"infe", b"\2\0\0\0" + struct.pack(">HH", number, 0) + b"hvc1\0") for number in numbers)
    properties = box(b"pixi", bytes(4) + pixi) + b"".join(box(b"auxC", bytes(4) + urn + b"\0") for urn in auxiliary)
    associations = b"".join(struct.pack(">HBB", number, 1, number) for number in numbers)
    places = b"".join(struct.pack(">HHHII", number, 0, 1, 0, 8) for number in numbers)
    references = b"".join(box(b"auxl", struct.pack(">HHH", number, 1, 1)) for number in numbers[1:])
    meta = (
        box(b"pitm", bytes(4) + struct.pack(">H", primary))
        + box(b"iinf", bytes(4) + struct.pack(">H", len(numbers)) + entries)
        + box(b"iloc", bytes(4) + b"\x44\0" + struct.pack(">H", len(numbers)) + places)
        + box(b"iref", bytes(4) + references)
        + box(
            b"iprp", box(b"ipco", properties) + box(b"ipma", bytes(4) + struct.pack(">I", len(numbers)) + associations)
        )
    )
    return box(b"ftyp", b"heic" + bytes(4) + b"mif1") + box(b"meta", bytes(4) + meta) + parts


@pytest.mark.parametrize(
    ("urn", "extras", "transparent"),
    [
        (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", set(), True),
        (b"urn:mpeg:hevc:2015:auxid:1", set(), True),
        (b"urn:mpeg:hevc:2015:auxid:2", {DEPTH_MAP}, False),
        (b"urn:com:apple:photo:2020:aux:hdrgainmap", {GAIN_MAP}, False),
        (b"urn:com:apple:photo:2018:aux:portraiteffectsmatte", {MATTE}, False),
    ],
)
def test_auxiliary_pictures(urn: bytes, extras: set[str], transparent: bool) -> None:
    found = heif_holdings(heif(urn))
    assert (found.extras, found.may_be_transparent) == (extras, transparent)
    assert (found.pages, found.bits, found.damage) == (1, 10, None)


def track(handler: bytes, samples: int) -> bytes:
    sizes = box(b"stsz", bytes(8) + struct.pack(">I", samples))
    media = box(b"hdlr", bytes(8) + handler + bytes(12)) + box(b"minf", box(b"stbl", sizes))
    return box(b"trak", box(b"mdia", media))


def test_tracks() -> None:
    found = heif_holdings(heif(parts=box(b"moov", track(b"pict", 90) + track(b"soun", 500))))
    assert (found.pages, found.is_animated, found.extras) == (90, True, {AUDIO})
    assert heif_holdings(heif(parts=box(b"moov", track(b"vide", 50)))).extras == {VIDEO}


def test_damage() -> None:
    whole = heif(parts=box(b"mdat", bytes(64)))
    assert heif_holdings(whole).damage is None
    assert heif_holdings(whole[:-1]).damage == CUT_OFF
    assert heif_holdings(heif(primary=7)).damage == INCOMPLETE
    assert heif_holdings(whole[:40]).damage == CUT_OFF


def test_bytes_behind_the_last_box() -> None:
    assert heif_holdings(heif() + bytes(20)).unknown_bytes == 0


def test_pictures_of_a_heic() -> None:
    buffer = io.BytesIO()
    file = pillow_heif.HeifFile()
    for seed in (1, 2, 3):
        file.add_from_pillow(scene(seed))
    file.save(buffer)
    assert heif_holdings(buffer.getvalue()).pages == 3


def test_ten_bits_of_heic_and_avif() -> None:
    pixels = np.random.default_rng(1).integers(0, 65536, (64, 64, 3), dtype=np.uint16).astype("<u2")
    buffer = io.BytesIO()
    image = pillow_heif.from_bytes("RGB;16", (64, 64), pixels.tobytes())
    image.save(buffer)
    assert heif_holdings(buffer.getvalue()).bits == 10


def test_wide_colours_of_a_heic() -> None:
    image = scene(1)
    image.info["icc_profile"] = profile(DISPLAY_P3, "Display P3")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer)
    assert heif_holdings(buffer.getvalue()).colours.name == "Display P3"


def test_a_video_behind_the_picture_or_in_a_box_of_its_own() -> None:
    video = box(b"ftyp", b"mp42" + bytes(12)) + box(b"mdat", bytes(range(32)))
    assert heif_holdings(heic() + video).extras == {VIDEO}
    assert heif_holdings(heic() + box(b"mpvd", video)).extras == {VIDEO}
