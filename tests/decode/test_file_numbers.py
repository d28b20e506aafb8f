"""Numbers that cameras gave their photos, in file names that were copied and edited since."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.decode.file_numbers import FileNumber, file_number


@pytest.mark.parametrize(
    ("name", "family", "number"),
    [
        ("IMG_1234.JPG", "IMG_", 1234),
        ("img_1234.jpg", "IMG_", 1234),
        ("_MG_1234.CR2", "IMG_", 1234),
        ("IMG_E1234.HEIC", "IMG_", 1234),
        ("IMG_10234.HEIC", "IMG_", 10234),
        ("DSC_0001.NEF", "DSC_", 1),
        ("_DSC0001.NEF", "DSC_", 1),
        ("DSC01234.ARW", "DSC", 1234),
        ("DSCF1234.RAF", "DSCF", 1234),
        ("_DSF1234.RAF", "DSCF", 1234),
        ("P1010001.ORF", "P101", 1),
        ("4L5A1234.CR3", "4L5A", 1234),
        ("L1001234.DNG", "L100", 1234),
        ("RCNX0042.JPG", "RCNX", 42),
        ("MVIMG_20190102_030405.jpg", "IMG_", 20190102030405),
        ("IMG_20231122_101112.jpg", "IMG_", 20231122101112),
        ("20231122_101112.jpg", "", 20231122101112),
        ("PXL_20231122_101112123.jpg", "PXL_", 20231122101112123),
        ("PXL_20231122_101112123.PORTRAIT.jpg", "PXL_", 20231122101112123),
        ("IMG-20231122-WA0001.jpg", "WHATSAPP", 202311220001),
        ("IMG_20231122_101112_BURST003.jpg", "BURST", 202311221011120003),
    ],
)
def test_names_as_cameras_give_them(name: str, family: str, number: int) -> None:
    found = file_number(name)
    assert found is not None
    assert (found.family, found.number) == (family, number)


@pytest.mark.parametrize(
    "suffix",
    [
        " (1)",
        "(1)",
        "-edit",
        "-Edit",
        " copy",
        " copy 2",
        " - Copy (2)",
        "_edited",
        "~2",
        "-1",
        "_1",
        " bird in flight",
    ],
)
@pytest.mark.parametrize("stem", ["IMG_1234", "DSC01234", "P1010001", "PXL_20231122_101112123", "20231122_101112"])
def test_what_copying_and_editing_add_does_not_count(stem: str, suffix: str) -> None:
    assert file_number(f"{stem}{suffix}.jpg") == file_number(f"{stem}.jpg") is not None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "bird.jpg",
        "bird0001.jpg",
        "1234.jpg",
        "12345678.jpg",
        "IMG_1234b.jpg",
        "holiday 2023.jpg",
        "IMG_1234-HDR.jpg",
        "IMG_1234_5_6.jpg",
        "IMG_1234-1240.jpg",
        "DSC01234 pano.tif",
        "IMG_20231122_101112_HDR.jpg",
    ],
)
def test_other_names_and_merged_frames_have_no_number(name: str) -> None:
    assert file_number(name) is None


def test_a_second_is_no_number_of_its_own() -> None:
    assert file_number("20231122_101112.jpg") == FileNumber("", 20231122101112, by_clock=True)
    timed = file_number("PXL_20231122_101112123.jpg")
    assert timed is not None and not timed.by_clock


@given(st.text(max_size=40))
def test_no_name_fails(name: str) -> None:
    file_number(name)
