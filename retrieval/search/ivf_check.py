"""What is wrong with an IVF index, in words: with its file, its ids, its codes, or with what it finds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.ivf import IvfIndex
from retrieval.search.ivf_file import hash_file
from retrieval.search.measurement import LeaveOneOut, margin
from retrieval.search.selection import Selection
from retrieval.search.vectors import HalfVectors
from retrieval.search.wishes import K, Wishes

Search = Callable[[Vectors, int, Selection], exact.Found]


def contents(ivf: IvfIndex, vectors: HalfVectors, rows: Rows) -> list[str]:
    """What is wrong with any id, or with the codes of `rows` where these are the file's own numbers."""
    times_seen = np.zeros(ivf.rows, dtype=np.int64)
    foreign = 0
    for _, ids in ivf.ids():
        known = ids[(ids >= 0) & (ids < ivf.rows)]
        foreign += len(ids) - len(known)
        np.add.at(times_seen, known, 1)
    expected = ivf.measurement.size if ivf.measurement else ivf.size
    problems = {
        "ids are no row's": foreign,
        "rows are missing": max(0, expected - foreign - np.count_nonzero(times_seen)),
        "rows are there more than once": np.count_nonzero(times_seen > 1),
        f"of {len(rows)} vectors differ from the vector file": _differing(ivf, vectors, rows) if ivf.mapped else 0,
    }
    return [f"{count} {what}" for what, count in problems.items() if count]


def file(ivf: IvfIndex, path: Path) -> list[str]:
    """Whether the bytes that the index was read from are those that were written."""
    written = ivf.measurement.sha256 if ivf.measurement else ""
    return ["its bytes are not those that were written"] if written not in ("", hash_file(path)) else []


def recall(
    ivf: IvfIndex, vectors: HalfVectors, dead: Rows, search: Search, *, sample: int, seed: int | None
) -> list[str]:
    """Whether less is found among its rows than was promised, beyond what an unlucky sample explains."""
    mask = ivf.list_of() >= 0
    mask[dead] = False
    alive = np.flatnonzero(mask)
    if len(alive) < 2:
        return []  # nobody has a neighbour
    measured = ivf.measurement
    target, k = (measured.target_recall, measured.k) if measured else (Wishes().target_recall, K)
    judge = LeaveOneOut(vectors, k, sample, seed, live=alive)
    selection = Selection.of(ivf.rows, np.flatnonzero(~mask))
    recalls = judge.recall(lambda queries, wanted: search(queries, wanted, selection))
    if recalls.mean() + margin(recalls) >= target:
        return []
    return [f"finds {recalls.mean():.3f} of the {k} nearest neighbours instead of {target}"]


def _differing(ivf: IvfIndex, vectors: HalfVectors, rows: Rows) -> int:
    """How many of these rows have other numbers in the index than in the file."""
    looked_at = np.zeros(ivf.rows, dtype=bool)
    looked_at[rows] = True
    differing = 0
    for number, ids in ivf.ids():
        held = ivf.held(number)
        known = np.flatnonzero((ids >= 0) & (ids < ivf.rows))
        picked = known[looked_at[ids[known]]]
        mine, original = held[picked], vectors[ids[picked]]
        same = (mine == original) | (np.isnan(mine) & np.isnan(original))  # damage to the file is not ours
        differing += int((~same).any(axis=1).sum())
    return differing
