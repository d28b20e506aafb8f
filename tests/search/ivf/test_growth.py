from dataclasses import replace

import numpy as np
import pytest
from ivf_indexes import load

from retrieval.search.ivf.growth import due, is_stale, needs_rebuild, tail_action, tail_limit
from retrieval.search.ivf.index import IvfIndex
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


def test_what_is_due_for_an_index(vectors, saved):
    """What costs most is asked first: a rebuild makes the rest needless."""
    none, settings = np.empty(0, dtype=np.int64), replace(DEFAULTS, small_rows=1_000)
    measured = load(saved)
    assert due(measured, 4_000, none, settings) == "nothing"
    assert due(measured, 6_000, none, settings) == "nothing"
    assert due(measured, 6_001, none, settings) == "add"
    assert due(measured, 4_000, np.arange(1_200), settings) == "nothing"
    assert due(measured, 6_001, np.arange(1_201), settings) == "rebuild"
    assert due(measured, 6_000, np.arange(4_000, 6_000), settings) == "nothing"  # the tail's dead cost it nothing
    saved.with_suffix(".json").unlink()
    assert due(load(saved), 4_000, none, settings) == "measure"
    part = IvfIndex.build(vectors, alive=np.arange(2_000))
    assert due(part, 4_000, np.arange(2_000, 4_000), settings) == "measure"  # the dead are not in it


def test_an_index_of_0_1_0_is_saved_again_for_its_checksums(saved):
    none, loaded = np.empty(0, dtype=np.int64), load(saved)
    loaded.measurement = replace(loaded.measurement, checksums="")
    assert due(loaded, 4_000, none, DEFAULTS) == "save"
    loaded.path = None  # in memory there is no file to save
    assert due(loaded, 4_000, none, DEFAULTS) == "nothing"
