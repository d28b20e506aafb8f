from dataclasses import replace

import pytest

from retrieval.search.ivf.growth import is_stale, needs_rebuild, tail_action, tail_limit
from retrieval.search.ivf.settings import DEFAULTS

SMALL = replace(DEFAULTS, small_rows=1_000, least_tail=50, tail_per_root=10)


@pytest.mark.parametrize(
    ("indexed", "trained", "rows", "action"),
    [
        (100, 100, 110, "nothing"),
        (100, 100, 111, "rebuild"),
        (1_000, 1_000, 1_000, "nothing"),
        (1_500, 1_500, 1_880, "nothing"),  # 10 x sqrt(1,880) is 430
        (1_500, 1_500, 1_950, "add"),
        (5_000, 1_500, 5_999, "add"),
        (5_000, 1_500, 6_000, "rebuild"),  # four times what it was trained on
    ],
)
def test_a_tail_is_left_added_or_trained_again(indexed, trained, rows, action):
    assert tail_action(indexed, trained, rows, SMALL) == action


def test_a_tail_may_grow_with_the_root_of_a_large_index():
    assert tail_limit(1_000_000, 1_000_000, DEFAULTS) == 10_000
    assert tail_limit(20_000, 20_000, DEFAULTS) == 2_000
    assert tail_limit(5_000, 5_200, DEFAULTS) == 500


def test_an_index_of_mostly_dead_rows_is_rebuilt():
    assert not needs_rebuild(100, 30)
    assert needs_rebuild(100, 31)


def test_a_measurement_holds_for_a_twentieth_more():
    assert not is_stale(1_000, 1_050)
    assert is_stale(1_000, 1_051)
