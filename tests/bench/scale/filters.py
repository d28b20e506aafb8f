"""The part `filters`: search among some of the rows only, anywhere or whole clusters, asked from in- and outside."""

import statistics
from collections.abc import Iterator
from functools import partial

import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.recall import recall_at_k
from scale.bench import Bench, one_by_one, table, timed
from scale.ours import Ours

SHARES = (0.5, 0.01, 0.0001)
EXACT_LIMIT_S = 2.0


def run(bench: Bench) -> None:
    """Print the table."""
    bench.our_build(bench.folder, bench.made.rows)
    ours = Ours(bench.folder, bench.made.dimension, bench.made.rows)
    head = ("rows", "queries", "share", "found among", f"recall@{bench.k}", "worst query", "selecting ms")
    head = (*head, "single ms", "batch q/s", "exact ms")
    lines = [_line(bench, ours, *case) for share in SHARES for case in _cases(bench, share)]
    table("filters", head, lines, left=2)


def _cases(bench: Bench, share: float) -> Iterator[tuple[str, str, Rows, Vectors]]:
    """How rows were chosen, where queries come from, the rows, and the queries."""
    count = bench.singles
    draw = np.random.default_rng([bench.made.seed, round(share * 1e6)])
    chosen = np.sort(draw.choice(bench.made.rows, max(1, round(share * bench.made.rows)), replace=False))
    yield "at random", "any", chosen, bench.queries[:count]
    labels = bench.made.labels
    clusters = some_clusters(labels, share, draw)
    inside = np.isin(labels, clusters)
    yield "whole clusters", "inside", np.flatnonzero(inside), bench.made.queries_of(clusters, count)
    yield "whole clusters", "outside", np.flatnonzero(inside), bench.made.queries_of(np.unique(labels[~inside]), count)


def some_clusters(labels: np.ndarray, share: float, draw: np.random.Generator) -> np.ndarray:
    """Whole clusters in random order, as many as there is room for in that share of all rows; the smallest at least."""
    sizes = np.bincount(labels)
    room = share * len(labels)
    taken = []
    for cluster in draw.permutation(np.flatnonzero(sizes)).tolist():
        if sizes[cluster] <= room:
            taken.append(cluster)
            room -= sizes[cluster]
    return np.array(taken or [int(np.argmin(np.where(sizes > 0, sizes, len(labels) + 1)))])


def _line(bench: Bench, ours: Ours, how: str, where: str, chosen: Rows, queries: Vectors) -> list[str]:
    vectors = bench.made.vectors
    truth = exact.search(vectors, queries, bench.k, rows=chosen)
    selecting = statistics.median(timed(partial(ours.select, chosen)) for _ in range(3))
    selection = ours.select(chosen)
    recalls = recall_at_k(ours.search(queries, bench.k, selection)[1], truth, vectors, queries)
    batch_s = timed(partial(ours.search, queries, bench.k, selection))
    single_ms = one_by_one(lambda query: ours.search(query, bench.k, selection), queries)
    exact_ms = one_by_one(lambda query: exact.search(vectors, query, bench.k, rows=chosen), queries, EXACT_LIMIT_S)
    return [
        how,
        where,
        f"{len(chosen) / bench.made.rows:.4%}",
        f"{len(chosen):,}",
        f"{recalls.mean():.4f}",
        f"{recalls.min():.2f}",
        f"{1000 * selecting:.2f}",
        f"{single_ms:.2f}",
        f"{len(queries) / batch_s:,.0f}",
        f"{exact_ms:.2f}",
    ]
