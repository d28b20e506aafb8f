"""Which colours the numbers of a picture mean."""

import pytest
from colour_profiles import ADOBE_RGB, DISPLAY_P3, profile
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageCms

from retrieval.decode.colour_spaces import SRGB, ColourSpace, of_code_points, of_profile


def test_a_profile_of_srgb_is_srgb_whatever_its_bytes_and_name() -> None:
    own = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    assert of_profile(bytes(own)) == SRGB
    own[24:36] = bytes(12)  # the date it was made
    assert of_profile(bytes(own)) == SRGB


@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB])
def test_wide_spaces(primaries: tuple[tuple[float, float, float], ...]) -> None:
    found = of_profile(profile(primaries, "A wide one"))
    assert (found.name, found.is_wide) == ("A wide one", True)


def test_other_tones_are_another_space_but_no_wider() -> None:
    srgb = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
    found = of_profile(profile(srgb, "Linear", gamma=1.0))
    assert (found.name, found.is_wide) == ("Linear", False)


def test_two_spaces_of_one_name() -> None:
    assert of_profile(profile(DISPLAY_P3, "Mine")) != of_profile(profile(ADOBE_RGB, "Mine"))


@given(st.binary(max_size=300))
def test_what_is_no_profile_is_ignored(data: bytes) -> None:
    assert of_profile(data) == SRGB


def test_code_points() -> None:
    assert of_code_points(1, 13) == of_code_points(2, 2) == SRGB
    assert of_code_points(12, 13).is_wide
    assert of_code_points(9, 16) == ColourSpace("Rec. 2020 PQ", is_wide=True)
