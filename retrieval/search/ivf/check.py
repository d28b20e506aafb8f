"""What is wrong with an IVF index: with its ids, its vectors, or with what it finds."""

from collections.abc import Iterator

import numpy as np

from retrieval.records import Rows
from retrieval.search.ivf import selected
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.protocol import SearchProblem
from retrieval.search.recall import LeaveOneOut, error_margin
from retrieval.search.selection import Selection
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors, VectorSource

OWN_ROWS = 16  # queries that tell whether an index is one of these vectors
ROUNDING = 1e-3


def problems(
    ivf: IvfIndex, source: VectorSource, rows: int, dead: Rows, *, sample: int, seed: int | None
) -> list[SearchProblem]:
    """Return the first kind of problem that an index of `rows` rows has: what comes after it follows from it.

    `sample` is of vectors that are compared, and of queries whose neighbours are sought. Raises IndexFormatError for an
    index that cannot be searched, or vectors that cannot be read.
    """
    if ivf.rows > rows:
        return [SearchProblem("rows", f"{ivf.name} knows {ivf.rows} rows, but the catalogue {rows}")]
    vectors = source.read(rows)[: ivf.rows]
    compared = np.random.default_rng(seed).choice(ivf.rows, min(sample, ivf.rows), replace=False)
    found = list(contents(ivf, vectors, compared))
    return found or list(recall(ivf, vectors, dead, sample=sample, seed=seed))


def contents(ivf: IvfIndex, vectors: HalfVectors, rows: Rows) -> Iterator[SearchProblem]:
    """Yield what is wrong with any id, or with the vectors of `rows` where these are the file's own numbers."""
    times_seen = np.zeros(ivf.rows, dtype=np.int64)
    foreign = 0
    for _, ids in ivf.inverted.ids():
        known = ids[(ids >= 0) & (ids < ivf.rows)]
        foreign += len(ids) - len(known)
        np.add.at(times_seen, known, 1)
    expected = ivf.measurement.size if ivf.measurement else ivf.size
    found = {
        "{} ids name no row": foreign,
        "{} rows are missing": max(0, expected - foreign - np.count_nonzero(times_seen)),
        "{} rows are there more than once": np.count_nonzero(times_seen > 1),
    }
    for what, count in found.items():
        if count:
            yield SearchProblem("rows", f"{ivf.name}: {what.format(count)}")
    differing = 0 if ivf.coded else _differing(ivf, vectors, rows)
    if differing:
        yield SearchProblem("vectors", f"{ivf.name}: {differing} of {len(rows)} vectors differ from the vector file")


def recall(
    ivf: IvfIndex, vectors: HalfVectors, dead: Rows, *, sample: int, seed: int | None
) -> Iterator[SearchProblem]:
    """Yield a problem if less is found among its rows than the target, beyond what an unlucky sample explains."""
    mask = ivf.list_of() >= 0
    mask[dead[(dead >= 0) & (dead < ivf.rows)]] = False
    alive = np.flatnonzero(mask)
    if len(alive) < 2:
        return  # no row has a neighbour
    targets = ivf.measurement.targets if ivf.measurement else Targets()
    judge = LeaveOneOut(vectors, targets.k, sample, seed, alive=alive)
    selection = Selection.of(ivf.rows, np.flatnonzero(~mask))
    recalls = judge.recall(lambda queries, k: selected.search(ivf, vectors, queries, k, selection))
    if recalls.mean() + error_margin(recalls) < targets.recall:
        what = f"finds {recalls.mean():.3f} of the {targets.k} nearest neighbours instead of {targets.recall}"
        yield SearchProblem("recall", f"{ivf.name}: {what}")


def finds_itself(ivf: IvfIndex, vectors: HalfVectors) -> bool:
    """Tell whether an index finds some of its own rows among the vectors, as an index of other vectors does not."""
    rows = np.unique(np.linspace(0, ivf.rows - 1, OWN_ROWS).astype(np.int64))
    rows = rows[ivf.list_of()[rows] >= 0]
    queries = vectors[rows].astype(np.float32)
    found = ivf.search(vectors, queries, 1)[1][:, 0]
    nearest = vectors[np.maximum(found, 0)].astype(np.float32)
    with np.errstate(invalid="ignore"):  # of damaged vectors
        same = (found >= 0) & ((nearest * queries).sum(axis=1) >= (queries * queries).sum(axis=1) - ROUNDING)
    return bool(2 * np.count_nonzero(same) >= len(rows))


def _differing(ivf: IvfIndex, vectors: HalfVectors, rows: Rows) -> int:
    """Return how many of these rows have other numbers in the index than in the file."""
    looked_at = np.zeros(ivf.rows, dtype=bool)
    looked_at[rows] = True
    differing = 0
    for number, ids in ivf.inverted.ids():
        stored = ivf.inverted.stored(number)
        known = np.flatnonzero((ids >= 0) & (ids < ivf.rows))
        picked = known[looked_at[ids[known]]]
        mine, original = stored[picked], vectors[ids[picked]]
        same = (mine == original) | (np.isnan(mine) & np.isnan(original))  # damage to the file is not ours
        differing += int((~same).any(axis=1).sum())
    return differing
