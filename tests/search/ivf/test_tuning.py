"""How an index is to be searched: the least that provably reaches the target, and what was measured of it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from ivf_indexes import D, build

from retrieval.search import exact
from retrieval.search.ivf import tuning
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.ivf.measurement import Measurement
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.recall import LeaveOneOut, proven_recall, recall_at_k
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors

Clustered = Callable[..., HalfVectors]


@pytest.fixture(scope="module")
def coded(clustered: Clustered) -> tuple[IvfIndex, HalfVectors]:
    vectors = clustered(3000, 64)
    return IvfIndex.build(vectors, settings=IvfSettings(coded_from=1000)), vectors


def timeless(measured: Measurement) -> Measurement:
    return replace(measured, curve=tuple(replace(point, ms=0.0) for point in measured.curve))


def test_says_what_was_measured(index: IvfIndex) -> None:
    found = index.measurement
    assert found is not None
    assert (found.rows, found.trained_rows, found.sample) == (4000, 4000, 1000)
    assert (found.lists, found.nprobe) == (index.lists, index.nprobe)
    assert (found.k, found.target_recall) == (20, 0.99)
    assert 1 < found.nprobe < found.lists / 2
    assert found.target_recall < found.recall < 1


def test_nprobe_is_the_smallest_that_suffices(vectors: HalfVectors, index: IvfIndex) -> None:
    judge = LeaveOneOut(vectors, 20, 1000, seed=0)
    assert (
        proven_recall(tuning.recall(index, vectors, judge))
        >= 0.99
        > proven_recall(tuning.recall(index, vectors, judge, nprobe=index.nprobe - 1))
    )


def test_other_samples_reach_the_target_too(clustered: Clustered) -> None:
    """Of many indexes over hard vectors, each held against a sample that it was not measured with."""
    reached = []
    for seed in range(10):
        vectors = clustered(2500, 24, seed=seed)
        built = build(vectors, Targets(0.95), seed=seed)
        assert built.nprobe < built.lists
        reached.append(tuning.recall(built, vectors, LeaveOneOut(vectors, 20, 1000, seed=seed + 100)).mean() >= 0.95)
    assert sum(reached) >= 9


def test_a_higher_target_probes_more(vectors: HalfVectors) -> None:
    built = build(vectors[:2000], Targets(0.5))
    nprobes = [built.nprobe]
    for target in (0.9, 0.99, 1.0):
        tuning.tune(built, vectors[:2000], Targets(target))
        nprobes.append(built.nprobe)
    assert nprobes == sorted(set(nprobes))
    assert nprobes[-1] == built.lists  # no sample proves that nothing is ever missed


def test_what_is_chosen_does_not_depend_on_how_long_anything_took(coded: tuple[IvfIndex, HalfVectors]) -> None:
    index, vectors = coded
    first = tuning.tune(index, vectors, Targets())
    assert all(point.ms > 0 for point in first.curve)
    assert timeless(tuning.tune(index, vectors, Targets())) == timeless(first)


def test_codes_need_a_shortlist_and_reach_the_target_with_it(coded: tuple[IvfIndex, HalfVectors]) -> None:
    index, vectors = coded
    measured = tuning.tune(index, vectors, Targets())
    assert 20 < measured.shortlist < 3000
    assert (index.shortlist(20), index.nprobe) == (measured.shortlist, measured.nprobe)
    queries = vectors[1::17].astype(np.float32)  # others than those it was measured with
    truth = exact.search(vectors, queries, 20)
    assert recall_at_k(index.search(vectors, queries, 20)[1], truth, vectors, queries).mean() >= 0.985


def test_the_curve_has_no_point_that_another_beats(coded: tuple[IvfIndex, HalfVectors]) -> None:
    """Points rise in recall, the chosen one is among them, and none is there twice."""
    index, vectors = coded
    measured = tuning.tune(index, vectors, Targets(0.95))
    points = [(point.nprobe, point.shortlist) for point in measured.curve]
    assert (measured.nprobe, measured.shortlist) in points
    assert len(set(points)) == len(points) >= 3
    assert [point.recall for point in measured.curve] == sorted(point.recall for point in measured.curve)


@pytest.mark.parametrize("n", [2, 12, 999])
def test_few_rows_are_searched_through(n: int, clustered: Clustered) -> None:
    """Also fewer than the neighbours that the target speaks of."""
    built = IvfIndex.build(clustered(n, D))
    measured = tuning.tune(built, clustered(n, D), Targets())
    assert (measured.nprobe, measured.recall, measured.sample) == (built.lists, 1.0, n)


def test_rows_that_were_dead_are_neither_asked_for_nor_expected(vectors: HalfVectors) -> None:
    alive = np.arange(0, 4000, 2)
    built = IvfIndex.build(vectors, alive=alive)
    measured = tuning.tune(built, vectors, Targets())
    assert (measured.rows, measured.size, measured.trained_rows) == (4000, 2000, 4000)
    assert measured.nprobe < built.lists
    assert measured.recall >= 0.99


def test_vectors_behind_the_index_do_not_count(index: IvfIndex, vectors: HalfVectors) -> None:
    part = IvfIndex.build(vectors[:2000])
    alone = tuning.tune(part, vectors[:2000], Targets())
    assert timeless(tuning.tune(part, vectors, Targets())) == timeless(alone)


def test_what_was_measured_is_carried_over_to_more_rows(vectors: HalfVectors) -> None:
    built = build(vectors[:3900])
    before = built.measurement
    assert before is not None
    before = replace(before, sha256="ab" * 32, checksums="cd" * 32)
    built.add(vectors[3900:], 3900)
    after = tuning.carry_over(built, before)
    assert built.measurement is after
    assert (after.rows, after.size, after.measured_rows) == (4000, 4000, 3900)
    assert (after.sha256, after.checksums) == ("", "")  # of a file that is not written yet
    assert (after.nprobe, after.recall, after.curve) == (before.nprobe, before.recall, before.curve)
