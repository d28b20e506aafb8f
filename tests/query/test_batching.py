import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from retrieval.query.batching import BYTES_AT_ONCE, FIRST, HITS_AT_ONCE, MOST, Pace


def test_it_begins_small_and_grows_while_answers_come_soon():
    pace = Pace(k=20)
    sizes = []
    for _ in range(6):
        sizes.append(pace.size)
        pace.took(0.01)
    assert sizes == [FIRST, 64, 256, MOST, MOST, MOST]


def test_it_shrinks_where_the_network_is_slow_but_never_to_nothing():
    pace = Pace(k=20)
    for _ in range(20):
        pace.took(30.0)
    assert pace.size == 1
    pace.took(0.5)  # neither soon nor long
    assert pace.size == 1


@given(st.integers(1, 10**9))
def test_hits_of_a_batch_are_bounded(k):
    pace = Pace(k)
    for _ in range(10):
        pace.took(0.0)
    assert 1 <= pace.size <= MOST
    assert pace.size * k <= max(HITS_AT_ONCE, k)


def test_it_takes_all_in_order_and_no_more_than_it_says():
    pace, images = Pace(20), iter([str(number) for number in range(FIRST + 3)])
    first = pace.take(images)
    assert first == [str(number) for number in range(FIRST)]
    assert pace.take(images) == [str(number) for number in range(FIRST, FIRST + 3)]
    assert pace.take(images) == []


def test_large_pictures_go_by_themselves():
    side = int((BYTES_AT_ONCE / 3) ** 0.5) + 1
    large = [Image.new("1", (side, side)), np.zeros((side, side, 3), np.uint8), bytes(BYTES_AT_ONCE)]
    images = iter([*large, "a.jpg", "b.jpg"])
    pace = Pace(20)
    assert [len(pace.take(images)) for _ in range(4)] == [1, 1, 1, 2]
