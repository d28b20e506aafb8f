"""Dates, places, cameras and lenses, sound and broken."""

import io
import struct
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photos import scene
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from retrieval.decode import exif
from retrieval.decode.exif import Tags

DATE, DIGITIZED, CHANGED = 36867, 36868, 306
FRACTION, OFFSET = 37521, 36881


def opened(
    main: dict[int, object] | None = None,
    details: dict[int, object] | None = None,
    gps: dict[int, object] | None = None,
    **save: object,
) -> Image.Image:
    """A JPEG with these tags, read back."""
    tags = Image.Exif()
    for tag, value in (main or {}).items():
        tags[tag] = value
    tags.get_ifd(0x8769).update(details or {})
    tags.get_ifd(0x8825).update(gps or {})
    buffer = io.BytesIO()
    scene(1).save(buffer, "JPEG", exif=tags, **save)
    return Image.open(buffer)


def taken_at(**details: str) -> datetime | None:
    numbers = {"date": DATE, "digitized": DIGITIZED, "fraction": FRACTION, "offset": OFFSET}
    main = {CHANGED: details.pop("changed")} if "changed" in details else {}
    return exif.read_tags(opened(main, {numbers[name]: text for name, text in details.items()})).taken_at


def test_a_date_without_an_offset_is_the_cameras_local_time() -> None:
    assert taken_at(date="2023:05:01 06:07:08") == datetime(2023, 5, 1, 6, 7, 8)


def test_fractions_and_offset_count() -> None:
    zone = timezone(-timedelta(hours=3, minutes=30))
    expected = datetime(2023, 5, 1, 6, 7, 8, 50_000, tzinfo=zone)
    assert taken_at(date="2023:05:01 06:07:08", fraction="05", offset="-03:30") == expected


@pytest.mark.parametrize("offset", ["", "   :  ", "+99:00", "+01", "local"])
def test_a_senseless_offset_is_left_out(offset: str) -> None:
    assert taken_at(date="2023:05:01 06:07:08", offset=offset) == datetime(2023, 5, 1, 6, 7, 8)


def test_the_moment_of_exposure_goes_first() -> None:
    assert taken_at(date="2001:01:01 00:00:00", digitized="2002:01:01 00:00:00") == datetime(2001, 1, 1)
    assert taken_at(digitized="2002:01:01 00:00:00", changed="2003:01:01 00:00:00") == datetime(2002, 1, 1)
    assert taken_at(changed="2003:01:01 00:00:00") == datetime(2003, 1, 1)
    assert taken_at(date="0000:00:00 00:00:00", changed="2003:01:01 00:00:00") == datetime(2003, 1, 1)


@pytest.mark.parametrize(
    "date",
    [
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "",
        "2023:02:30 00:00:00",
        "2023:01:01 25:00:00",
        "0001:01:01 00:00:00",
        "yesterday",
    ],
)
def test_no_date_is_made_up(date: str) -> None:
    assert taken_at(date=date) is None


@pytest.mark.parametrize("date", ["2023-05-01 06:07:00", "2023/05/01 06:07", "2023:05:01T06:07:00Z"])
def test_near_misses_are_read(date: str) -> None:
    assert taken_at(date=date) == datetime(2023, 5, 1, 6, 7)


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        ('exif:DateTimeOriginal="2019-08-07T06:05:04.5+02:00"', "2019-08-07T06:05:04.500000+02:00"),
        ("<photoshop:DateCreated>2019-08-07T06:05</photoshop:DateCreated>", "2019-08-07T06:05:00"),
        ("<xmp:CreateDate>2019-08-07T06:05:04Z</xmp:CreateDate>", "2019-08-07T06:05:04+00:00"),
    ],
)
def test_xmp_fills_in_the_date(packet: str, expected: str) -> None:
    assert exif.read_tags(opened(xmp=packet.encode())).taken_at == datetime.fromisoformat(expected)


def test_exif_goes_before_xmp() -> None:
    packet = b'exif:DateTimeOriginal="2019-08-07T06:05:04"'
    assert exif.read_tags(opened({CHANGED: "2003:01:01 00:00:00"}, xmp=packet)).taken_at == datetime(2003, 1, 1)


@pytest.mark.parametrize("packet", ["exif:DateTimeOriginal=\udc80", (1, 2, 3), 7, b"\xff\xfe"])
def test_senseless_xmp_is_left_out(packet: object) -> None:
    image = scene(1)
    image.info["xmp"] = packet
    assert exif.read_tags(image) == Tags()


def place(
    latitude: object = (25.0, 15.0, 36.0),
    north: object = "N",
    longitude: object = (55.0, 18.0, 0.0),
    east: object = "E",
) -> tuple[float | None, float | None]:
    tags = exif._tags({}, {}, {1: north, 2: latitude, 3: east, 4: longitude})
    return tags.latitude, tags.longitude


def test_places_survive_a_file() -> None:
    tags = exif.read_tags(opened(gps={1: "S", 2: (25.0, 15.0, 36.0), 3: "W", 4: (55.0, 18.0, 0.0)}))
    assert (tags.latitude, tags.longitude) == (pytest.approx(-25.26), pytest.approx(-55.3))


def test_directions_sign_the_numbers() -> None:
    assert place() == (pytest.approx(25.26), pytest.approx(55.3))
    assert place(north="S", east=b"W\0") == (pytest.approx(-25.26), pytest.approx(-55.3))


def test_decimal_minutes_and_plain_degrees_are_read() -> None:
    assert place(latitude=(25.0, 15.6), longitude=(55.3,)) == (pytest.approx(25.26), pytest.approx(55.3))


@pytest.mark.parametrize(
    "broken",
    [
        {"north": ""},
        {"north": "X"},
        {"east": None},
        {"latitude": None},
        {"latitude": ()},
        {"latitude": (95.0, 0.0, 0.0)},
        {"longitude": (180.0, 30.0, 0.0)},
        {"longitude": (IFDRational(1, 0), IFDRational(0, 0), IFDRational(0, 0))},
        {"latitude": b"\x01\x02\x03"},
        {"latitude": ("25", None, 0)},
        {"latitude": (-5.0, 0.0, 0.0)},
        {"latitude": (0.0, 0.0, 0.0), "longitude": (0.0, 0.0, 0.0)},
    ],
)
def test_half_a_place_is_no_place(broken: dict[str, object]) -> None:
    assert place(**broken) == (None, None)


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS R5", "Canon EOS R5"),
        ("NIKON CORPORATION", "NIKON D850", "NIKON D850"),
        ("SONY", "ILCE-1", "SONY ILCE-1"),
        ("OLYMPUS   ", "E-M1X           ", "OLYMPUS E-M1X"),
        ("Canon\0\0junk", "PowerShot\0", "Canon PowerShot"),
        ("", "Hasselblad", "Hasselblad"),
        ("Leica", "", "Leica"),
        ("", "", None),
    ],
)
def test_the_maker_is_named_once(make: str, model: str, camera: str | None) -> None:
    assert exif.camera_name(exif.clean_text(make), exif.clean_text(model)) == camera


def test_text_is_clean() -> None:
    assert exif.clean_text("Zeiß Größe".encode().decode("latin-1")) == "Zeiß Größe"
    assert exif.clean_text(b"F\xfcnf\x01\r\n Linsen \0 padding") == "Fünf Linsen"
    assert exif.clean_text(42) == ""


def test_a_lens_is_read() -> None:
    tags = exif.read_tags(opened({271: "Canon", 272: "Canon EOS R5"}, {42036: "RF600mm F11 IS STM"}))
    assert (tags.camera, tags.lens) == ("Canon EOS R5", "RF600mm F11 IS STM")


@pytest.mark.parametrize("value", [0, 9, 300, None, "6", (6, 1)])
def test_a_senseless_orientation_is_none(value: object) -> None:
    tags = Image.Exif()
    if value is not None:
        tags[274] = value
    assert exif.orientation(tags) is None


def test_a_photo_without_metadata_has_no_tags() -> None:
    assert exif.read_tags(scene(1)) == Tags()


@given(st.binary(max_size=200), st.integers(0, 200))
def test_broken_exif_never_fails(noise: bytes, at: int) -> None:
    sound = opened({274: 6, 271: "M"}, {DATE: "2020:01:01 00:00:00"}, {1: "N", 2: (1.0, 2.0, 3.0)}).info["exif"]
    image = scene(1)
    image.info["exif"] = sound[:at] + noise + sound[at + len(noise) // 2 :]
    assert isinstance(exif.read_tags(image), Tags)
    assert exif.orientation(exif.read_exif(image)) in (None, *range(1, 9))


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def header(*tags: tuple[int, bytes]) -> bytes:
    """A TIFF file of one directory with texts."""
    entries, texts = b"", b""
    for tag, text in sorted(tags):
        offset = 8 + 2 + 12 * len(tags) + 4 + len(texts)
        entries += struct.pack("<HHII", tag, 2, len(text), offset)
        texts += text
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + texts


def test_canons_boxes_are_read() -> None:
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    main, details = header((271, b"Canon\0"), (272, b"Canon EOS R7\0")), header((DATE, b"2024:01:02 03:04:05\0"))
    metadata = box(b"uuid", canon + box(b"CNCV", b"CanonCR3") + box(b"CMT1", main) + box(b"CMT2", details))
    data = box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", box(b"trak", b"") + metadata) + box(b"mdat", b"")
    assert exif.read_raw_tags(data) == Tags(taken_at=datetime(2024, 1, 2, 3, 4, 5), camera="Canon EOS R7")
    for cut in range(len(data)):
        assert isinstance(exif.read_raw_tags(data[:cut]), Tags)


@pytest.mark.parametrize("magic", [b"II*\0", b"IIRO", b"IIU\0"])
def test_makers_own_magic_numbers_do_not_matter(magic: bytes) -> None:
    data = magic + header((271, b"Panasonic\0"), (272, b"DC-G9\0"))[4:]
    assert exif.read_raw_tags(data).camera == "Panasonic DC-G9"


def test_unknown_headers_have_no_tags() -> None:
    assert exif.read_raw_tags(b"FOVb and the rest") == Tags()
    assert exif.read_raw_tags(b"") == Tags()


def test_gaps_are_filled_from_the_preview() -> None:
    own = Tags(camera="Own camera")
    preview = Tags(datetime(2020, 1, 1, tzinfo=UTC), 1.0, 2.0, "Preview's camera", "Lens")
    assert exif.complete(own, preview) == Tags(preview.taken_at, 1.0, 2.0, "Own camera", "Lens")
    assert exif.complete(own, Tags(datetime(1970, 1, 1))).taken_at is None
