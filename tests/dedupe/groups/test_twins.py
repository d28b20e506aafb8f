import pytest

from retrieval.dedupe.groups.twins import shot_name


@pytest.mark.parametrize(
    "names",
    [
        ("RAW/IMG_1234.CR2", "JPG/img_1234.jpg", "IMG_1234 (2).JPG", "a/b/IMG_1234 copy.jpg", "IMG_1234-edited.tif"),
        ("_DSC0042.NEF", "DSC_0042.JPG"),  # with Adobe RGB, the underscore moves
        ("Heron.dng", "heron (3).jpg", "Heron copy.jpg", "heron - Copy (2).jpg", "heron copy 3.jpg"),
        ("20240501_120000.dng", "20240501_120000.jpg"),
        ("1.dng", "1.jpg"),
        ("(2).dng", "(2).jpg"),
    ],
)
def test_one_shot_has_one_name_wherever_it_lies(names):
    assert len({shot_name(name) for name in names}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("IMG_1234.CR2", "IMG_1235.JPG"),
        ("IMG_1234.CR2", "DSC_1234.JPG"),
        ("heron.dng", "heron 2.jpg"),
        ("heron.dng", "heron at home.jpg"),
    ],
)
def test_other_shots_have_other_names(one, other):
    assert shot_name(one) != shot_name(other)
