import numpy as np
import pytest

from retrieval.search.selection import Selection, row_mask


def rows(*numbers):
    return np.array(numbers, dtype=np.int64)


@pytest.mark.parametrize("seed", range(30))
def test_what_may_be_found_is_chosen_and_not_dead(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    dead, chosen = (np.flatnonzero(rng.random(n + 5) < share) for share in (0.3, 0.5))
    for picked in (None, chosen):
        selection = Selection.of(n, dead, picked)
        expected = set(range(n) if picked is None else picked.tolist()) & set(range(n)) - set(dead.tolist())
        found = set(range(n)) if selection.mask is None else set(np.flatnonzero(selection.mask).tolist())
        assert (found, selection.alive, selection.filtered) == (expected, len(expected), picked is not None)
        start, stop = sorted(rng.integers(0, n + 1, 2).tolist())
        inside = selection.within(start, stop)
        within = set(range(start, stop)) if inside is None else set(inside.tolist())
        assert within == expected & set(range(start, stop))


def test_without_dead_or_chosen_rows_there_is_no_mask():
    assert Selection.of(5, rows(7, -1)).mask is None
    assert Selection.everything(5).within(0, 5) is None
    assert Selection.everything(5).alive == 5


def test_a_filter_that_chooses_nothing_finds_nothing():
    selection = Selection.of(4, rows(), rows())
    assert (selection.alive, selection.filtered) == (0, True)
    assert selection.within(0, 4).tolist() == []


def test_selections_are_the_same_only_if_they_are_one():
    assert Selection.everything(3) != Selection.everything(3)


def test_numbers_that_are_no_row_count_for_nothing():
    assert row_mask(rows(-1, 0, 2, 2, 3, 99), 3).tolist() == [True, False, True]
