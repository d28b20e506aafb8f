"""Lists on the disk are checked when a search first reads them, and all of them in time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import IndexFormatError
from retrieval.search.ivf.checksums import BLOCK, CheckedFile
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.ivf.inverted_lists import InvertedLists
from retrieval.search.ivf.list_checks import ListChecks
from retrieval.search.ivf.search import IvfSearch
from retrieval.search.ivf.settings import DEFAULTS
from retrieval.search.ivf.storage import IvfFile
from retrieval.search.ivf.subset import Subset
from retrieval.search.selection import Selection
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors, VectorFile

D = 96
N = 4000
LAZY = replace(DEFAULTS, few_rows=50, checked_ahead=0)


@pytest.fixture
def folder(tmp_path: Path, clustered: Callable[..., HalfVectors]) -> Path:
    """An index of half-precision vectors, of which a search reads one list."""
    file = VectorFile(tmp_path / "vectors.f16", D)
    file.append(clustered(N, D).astype(np.float32), 0)
    IvfSearch(file, IvfFile(tmp_path, D, LAZY), LAZY).rebuild(N, targets=Targets(0.1))
    return tmp_path


def loaded(folder: Path) -> IvfIndex:
    ivf = IvfFile(folder, D, LAZY).load()
    assert ivf is not None
    return ivf


def opened(folder: Path) -> ListChecks:
    file = CheckedFile.open(folder / "ivf.faiss")
    assert file is not None
    file.check_first(file.eager)
    return ListChecks(file, InvertedLists(loaded(folder).faiss_index))


def spoil(folder: Path, ivf: IvfIndex, number: int) -> None:
    """Change the last byte of the vectors of a list."""
    data = bytearray((folder / "ivf.faiss").read_bytes())
    stored = ivf.inverted.stored(number).tobytes()
    data[data.index(stored) + len(stored) - 1] ^= 1
    (folder / "ivf.faiss").write_bytes(data)


def far_apart(folder: Path, ivf: IvfIndex) -> tuple[int, int]:
    """Two lists that are no neighbours in the file, nor near its head."""
    whole = (folder / "ivf.faiss").read_bytes()
    places = {number: whole.index(ivf.inverted.stored(number).tobytes()) for number, _ in ivf.inverted.ids()}
    near = next(number for number, place in places.items() if place > 3 * BLOCK)
    return near, next(number for number, place in places.items() if place > places[near] + 5 * BLOCK)


def test_only_lists_that_are_searched_are_checked(folder: Path) -> None:
    """Damage far from a query is no reason to refuse it; a query that comes there is refused."""
    ivf = loaded(folder)
    assert ivf.nprobe == 1
    near, far = far_apart(folder, ivf)
    queries = {number: ivf.inverted.stored(number)[:1].astype(np.float32) for number in (near, far)}
    for number, query in queries.items():
        assert ivf.inverted.order(query)[0, 0] == number
    everything = Selection.everything(N)
    search = IvfSearch(VectorFile(folder / "vectors.f16", D), IvfFile(folder, D, LAZY), LAZY)
    right = search.search(queries[near], 3, everything)[1].tolist()
    spoil(folder, ivf, far)
    search = IvfSearch(VectorFile(folder / "vectors.f16", D), IvfFile(folder, D, LAZY), LAZY)
    assert search.search(queries[near], 3, everything)[1].tolist() == right
    with pytest.raises(IndexFormatError, match="are not those that were written"):
        search.search(queries[far], 3, everything)
    assert search.search(queries[near], 3, everything)[1].tolist() == right


def test_a_subset_is_checked_where_it_is_searched(folder: Path) -> None:
    """A filter may send a query to a list far from it."""
    ivf = loaded(folder)
    near, far = far_apart(folder, ivf)
    query = ivf.inverted.stored(near)[:1].astype(np.float32)
    spoil(folder, ivf, far)
    list_of = ivf.list_of()
    inside, outside = (Subset(list_of == number, list_of, ivf.lists) for number in (near, far))
    opened(folder).check_searched(query, 1, inside, ahead=0)
    with pytest.raises(IndexFormatError):
        opened(folder).check_searched(query, 1, outside, ahead=0)


def test_searches_come_to_an_end_of_checking(folder: Path) -> None:
    """Each also checks a little of what nobody asked for."""
    ivf, checks = loaded(folder), opened(folder)
    query = ivf.inverted.stored(far_apart(folder, ivf)[0])[:1].astype(np.float32)
    searches = 0
    while not checks.done:
        checks.check_searched(query, 1, None, ahead=3)
        searches += 1
    blocks = -(-(folder / "ivf.faiss").stat().st_size // BLOCK)
    assert 1 < searches <= blocks / 3 + 1
    checks.check_searched(query, 1, None, ahead=3)  # is free from now on


def test_all_of_the_file_can_be_checked_at_once(folder: Path) -> None:
    checks = opened(folder)
    assert not checks.done
    checks.check_all()
    assert checks.done
    ivf = loaded(folder)
    spoil(folder, ivf, far_apart(folder, ivf)[1])
    with pytest.raises(IndexFormatError):
        opened(folder).check_all()
