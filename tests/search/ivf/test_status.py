from collections.abc import Callable

from retrieval.search.ivf import tuning
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.ivf.status import describe
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors


def test_an_index_that_was_measured_says_what_it_gives(index: IvfIndex) -> None:
    measured = index.measurement
    assert measured is not None
    found = describe(index, 4100, 12_345)
    assert (found.rows, found.tail, found.size_bytes) == (4000, 100, 12_345)
    assert (found.recall, found.target_recall, found.k) == (measured.recall, 0.99, 20)
    assert found.method == f"{index.nprobe} of {index.lists} lists searched"
    assert (found.storage, found.parameters["shortlist"]) == ("half precision, mapped", 0)
    assert [point.parameters["nprobe"] for point in found.curve] == [point.nprobe for point in measured.curve]


def test_an_index_that_was_not_measured_promises_nothing(clustered: Callable[..., HalfVectors]) -> None:
    found = describe(IvfIndex.build(clustered(200)), 200, 0)
    assert (found.recall, found.target_recall, found.k, found.sample, found.curve) == (None, None, None, None, ())
    assert (found.rows, found.tail) == (200, 0)


def test_codes_are_scored_again(clustered: Callable[..., HalfVectors]) -> None:
    vectors = clustered(2000, 64)
    index = IvfIndex.build(vectors, settings=IvfSettings(coded_from=1000))
    assert describe(index, 2000, 0).method.endswith("lists searched, 500 rows scored again")  # until it is measured
    measured = tuning.tune(index, vectors, Targets(memory_bytes=10**9))
    found = describe(index, 2000, 0)
    assert found.method.endswith(f"lists searched, {measured.shortlist:,} rows scored again")
    assert found.target_memory_bytes == 10**9
    assert found.storage is not None
    assert "axes" in found.storage
