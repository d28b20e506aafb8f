"""What photo files say of their shots."""

import math
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from exif_blocks import BYTE, LONG, RATIO, SHORT, SIGNED, TEXT, block, heic, jpeg
from hypothesis import given
from hypothesis import strategies as st
from photos import scene
from raw_photos import Directory, dng

from retrieval.decode.file_numbers import FileNumber
from retrieval.decode.shot_facts import ShotFacts, read_shot_facts

SHOT: Directory = {
    33434: (RATIO, ((1, 250),)),  # exposure time
    33437: (RATIO, ((56, 10),)),  # aperture
    34855: (SHORT, (400,)),  # ISO
    36867: (TEXT, "2023:05:01 06:07:08"),
    36881: (TEXT, "+02:00"),
    37521: (TEXT, "45"),
    37380: (SIGNED, ((-1, 3),)),  # exposure bias
    37382: (RATIO, ((25, 10),)),  # distance to the subject
    37385: (SHORT, (0x19,)),  # flash
    37386: (RATIO, ((500, 1),)),  # focal length
    42016: (TEXT, "0123456789abcdef0123456789ABCDEF"),
    42033: (TEXT, "000042021"),
    42036: (TEXT, "RF 500mm F4"),
}
GPS: Directory = {
    1: (TEXT, "N"),
    2: (RATIO, ((47, 1), (30, 1), (0, 1))),
    3: (TEXT, "W"),
    4: (RATIO, ((8, 1), (15, 1), (0, 1))),
}


def shot(exif: Directory | None = None, main: Directory | None = None, xmp: bytes | None = None) -> ShotFacts:
    return read_shot_facts(jpeg(block(main, exif), xmp), "IMG_1234.JPG")


def test_everything_that_a_jpeg_says() -> None:
    main: Directory = {
        271: (TEXT, "Canon"),
        272: (TEXT, "Canon EOS R5"),
        305: (TEXT, "Firmware 1.2"),
        306: (TEXT, "2023:05:02 00:00:00"),
    }
    assert read_shot_facts(jpeg(block(main, SHOT, GPS)), "IMG_1234 (1).JPG") == ShotFacts(
        camera="Canon EOS R5",
        model="eosr5",
        serial="42021",
        lens="RF 500mm F4",
        taken_at=datetime(2023, 5, 1, 6, 7, 8, 450_000, tzinfo=timezone(timedelta(hours=2))),
        exposure_s=1 / 250,
        f_number=5.6,
        iso=400,
        bias_ev=-1 / 3,
        focal_length_mm=500,
        focus_m=2.5,
        flash=True,
        latitude=47.5,
        longitude=-8.25,
        identifiers=frozenset({("image id", "0123456789abcdef0123456789abcdef")}),
        file_number=FileNumber("IMG_", 1234),
        software="Firmware 1.2",
        modified_at=datetime(2023, 5, 2),
    )


def test_heic_and_raw_say_the_same() -> None:
    exif = block(None, SHOT)
    expected = read_shot_facts(jpeg(exif), "IMG_1234.JPG")
    assert read_shot_facts(heic(exif), "IMG_1234.HEIC") == expected
    raw = read_shot_facts(dng(np.asarray(scene(1)), exif=SHOT), "IMG_1234.DNG")
    assert raw.is_raw
    for name in ("taken_at", "exposure_s", "f_number", "iso", "flash", "serial", "identifiers", "file_number"):
        assert getattr(raw, name) == getattr(expected, name)


def test_a_file_without_metadata_says_nothing_but_its_number() -> None:
    assert read_shot_facts(jpeg(), "IMG_0001.JPG") == ShotFacts(file_number=FileNumber("IMG_", 1))
    assert read_shot_facts(b"", "bird.jpg") == ShotFacts()


@pytest.mark.parametrize(
    ("tag", "value", "field"),
    [
        (33434, (RATIO, ((0, 1),)), "exposure_s"),
        (33434, (RATIO, ((1, 0),)), "exposure_s"),
        (33437, (RATIO, ((0, 10),)), "f_number"),
        (34855, (SHORT, (0,)), "iso"),
        (37382, (RATIO, ((0, 1),)), "focus_m"),
        (37386, (RATIO, ((0, 1),)), "focal_length_mm"),
        (42033, (TEXT, "000000"), "serial"),
        (36867, (TEXT, "0000:00:00 00:00:00"), "taken_at"),
    ],
)
def test_what_cameras_write_for_unknown(tag: int, value: tuple[str, object], field: str) -> None:
    assert getattr(shot({**SHOT, tag: value}), field) is None  # type: ignore[dict-item]


@pytest.mark.parametrize("text", ["X24QSNA00MM", "0" * 32, "F" * 32, ""])
def test_what_phones_write_instead_of_an_id_is_none(text: str) -> None:
    assert shot({42016: (TEXT, text), 34855: (SHORT, (100,))}).identifiers == frozenset()


def test_an_iso_beyond_16_bits_stands_elsewhere() -> None:
    assert shot({34855: (SHORT, (65535,)), 34866: (LONG, (102_400,))}).iso == 102_400


def test_focus_at_infinity() -> None:
    assert shot({37382: (RATIO, ((0xFFFFFFFF, 1),))}).focus_m == math.inf


def test_a_date_of_change_is_that_of_the_shot_only_straight_from_the_camera() -> None:
    camera: Directory = {272: (TEXT, "Trail Cam 5"), 306: (TEXT, "2023:05:01 06:07:08")}
    assert shot(main=camera).taken_at == datetime(2023, 5, 1, 6, 7, 8)
    assert shot(main={306: camera[306]}).taken_at is None
    edited = shot(main={**camera, 305: (TEXT, "GIMP 2.10")})
    assert edited.taken_at is None
    assert edited.edited
    assert edited.modified_at == datetime(2023, 5, 1, 6, 7, 8)


def xmp(attributes: str) -> bytes:
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description {attributes}/></x:xmpmeta>'.encode()


def test_xmp_fills_the_gaps() -> None:
    found = shot(
        main={271: (TEXT, "NIKON CORPORATION"), 272: (TEXT, "NIKON D850")},
        xmp=xmp(
            'exif:DateTimeOriginal="2023-05-01T06:07:08.45" aux:SerialNumber="3001234" aux:ImageNumber="4711" '
            'crs:RawFileName="DSC_0815.NEF" crs:AlreadyApplied="True" xmp:CreatorTool="Adobe Lightroom 12"'
        ),
    )
    assert found.taken_at == datetime(2023, 5, 1, 6, 7, 8, 450_000)
    assert found.serial == "3001234"
    assert found.counters == {("shutter count", 4711)}
    assert found.edited
    assert found.software == "Adobe Lightroom 12"
    named = read_shot_facts(jpeg(None, xmp('crs:RawFileName="DSC_0815.NEF"')), "bird.jpg")
    assert named.file_number == FileNumber("DSC_", 815)


def test_elements_of_xmp_count_like_attributes() -> None:
    packet = b"<x:xmpmeta><photoshop:DateCreated>2023-05-01T06:07:08Z</photoshop:DateCreated></x:xmpmeta>"
    taken_at = shot(xmp=packet).taken_at
    assert taken_at is not None and taken_at.isoformat() == "2023-05-01T06:07:08+00:00"


def test_the_date_of_a_document_is_not_that_of_a_shot() -> None:
    assert shot(xmp=xmp('xmp:CreateDate="2023-05-01T06:07:08"')).taken_at is None


@given(flips=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=20))
def test_no_damage_fails(flips: list[tuple[int, int]]) -> None:
    data = bytearray(
        jpeg(
            block({271: (TEXT, "Canon"), 272: (TEXT, "Canon EOS R5")}, {**SHOT, 0x927C: (BYTE, tuple(range(99)))}, GPS)
        )
    )
    for place, value in flips:
        data[place % len(data)] = value
    read_shot_facts(bytes(data), "IMG_1234.JPG")


@pytest.mark.shared
def test_no_real_file_fails(shared: Path) -> None:
    files = [path for path in sorted(shared.joinpath("hard").rglob("*")) if path.is_file()]
    assert len(files) > 1000
    for path in files:
        read_shot_facts(path.read_bytes(), path.name)


@pytest.mark.shared
def test_real_cameras_are_read(shared: Path) -> None:
    found = {path.stem: read_shot_facts(path.read_bytes(), path.name) for path in shared.joinpath("camera").iterdir()}
    assert all(facts.camera and facts.taken_at and facts.exposure_s and facts.f_number for facts in found.values())
    canon = found["Canon EOS 1000D"]
    assert canon.taken_at == datetime(2008, 7, 1, 17, 27, 3, 20_000)
    assert (canon.exposure_s, canon.f_number, canon.iso, canon.flash) == (1 / 250, 5.6, 100, False)
    assert canon.maker_serial == "330100138"
    assert dict(found["Canon PowerShot G2 (2)"].counters) == {"file number": 5_505_026}
    assert datetime(2016, 4, 19, 14, 49, 49, 625_000) in {facts.taken_at for facts in found.values()}  # a phone
