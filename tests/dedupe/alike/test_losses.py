"""What goes with a file, in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.decode.colour_spaces import CMYK, ColourSpace
from retrieval.decode.holdings.record import CUT_OFF, DEPTH_MAP, VIDEO, Holdings
from retrieval.dedupe.alike.losses import lacks

PLAIN = Holdings()
WIDE = ColourSpace("Display P3", is_wide=True)


@pytest.mark.parametrize(
    ("keeper", "member", "words"),
    [
        (PLAIN, Holdings(pages=3), ("2 pages",)),
        (Holdings(pages=2), Holdings(pages=3), ("1 page",)),
        (PLAIN, Holdings(pages=12, is_animated=True), ("11 frames",)),
        (Holdings(pages=12), Holdings(pages=12, is_animated=True), ("the animation",)),
        (PLAIN, Holdings(bits=16), ("16 bits of depth",)),
        (Holdings(bits=1), PLAIN, ()),
        (PLAIN, Holdings(may_be_transparent=True), ("transparency",)),
        (PLAIN, Holdings(colours=WIDE), ("wide-gamut colours",)),
        (PLAIN, Holdings(colours=ColourSpace("gamma 1.00")), ()),
        (PLAIN, Holdings(colours=CMYK), ("CMYK colours",)),
        (PLAIN, Holdings(extras=frozenset({VIDEO, DEPTH_MAP})), ("a depth map", "a video")),
        (Holdings(damage=CUT_OFF), PLAIN, ("the undamaged picture",)),
        (PLAIN, Holdings(is_raw=True, bits=14, colours=WIDE), ("the RAW data",)),
        (Holdings(is_raw=True, bits=14, colours=WIDE), Holdings(bits=16, colours=WIDE), ()),
        (PLAIN, Holdings(is_grey=True, is_lossless=True, unknown_bytes=7, damage=CUT_OFF), ()),
    ],
)  # fmt: skip
def test_what_is_lost(keeper: Holdings, member: Holdings, words: tuple[str, ...]) -> None:
    assert lacks(keeper, member) == words


HOLDINGS = st.builds(
    Holdings,
    pages=st.integers(1, 3),
    is_animated=st.booleans(),
    bits=st.sampled_from([1, 8, 16]),
    may_be_transparent=st.booleans(),
    colours=st.sampled_from([PLAIN.colours, WIDE, CMYK]),
    is_raw=st.booleans(),
    extras=st.frozensets(st.sampled_from([VIDEO, DEPTH_MAP])),
    damage=st.sampled_from([None, CUT_OFF]),
)


@given(HOLDINGS)
def test_nothing_is_lost_for_an_equal(holdings: Holdings) -> None:
    assert lacks(holdings, holdings) == ()
