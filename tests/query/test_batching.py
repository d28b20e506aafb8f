import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from retrieval.query.batching import BYTES_AT_ONCE, FIRST, HITS_AT_ONCE, LARGEST, BatchSizer


def test_it_begins_small_and_grows_while_answers_come_soon():
    sizer = BatchSizer(k=20)
    sizes = []
    for _ in range(6):
        sizes.append(sizer.size)
        sizer.record_time(0.01)
    assert sizes == [FIRST, 64, 256, LARGEST, LARGEST, LARGEST]


def test_it_shrinks_where_the_network_is_slow_but_never_to_nothing():
    sizer = BatchSizer(k=20)
    for _ in range(20):
        sizer.record_time(30.0)
    assert sizer.size == 1
    sizer.record_time(0.5)  # neither soon nor long
    assert sizer.size == 1


@given(st.integers(1, 10**9))
def test_hits_of_a_batch_are_bounded(k):
    sizer = BatchSizer(k)
    for _ in range(10):
        sizer.record_time(0.0)
    assert 1 <= sizer.size <= LARGEST
    assert sizer.size * k <= max(HITS_AT_ONCE, k)


def test_it_takes_all_in_order_and_no_more_than_it_says():
    sizer, images = BatchSizer(20), iter([str(number) for number in range(FIRST + 3)])
    first = sizer.next_batch(images)
    assert first == [str(number) for number in range(FIRST)]
    assert sizer.next_batch(images) == [str(number) for number in range(FIRST, FIRST + 3)]
    assert sizer.next_batch(images) == []


def test_large_pictures_go_by_themselves():
    side = int((BYTES_AT_ONCE / 3) ** 0.5) + 1
    large = [Image.new("1", (side, side)), np.zeros((side, side, 3), np.uint8), bytes(BYTES_AT_ONCE)]
    images = iter([*large, "a.jpg", "b.jpg"])
    sizer = BatchSizer(20)
    assert [len(sizer.next_batch(images)) for _ in range(4)] == [1, 1, 1, 2]
