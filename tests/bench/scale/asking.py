"""The part `query`: whole queries through an open index, search and the look-up of photos, without the network."""

import statistics

import numpy as np

from retrieval import Index
from retrieval.records import Answer
from retrieval.search import exact
from scale.bench import Bench, one_by_one, table, timed
from scale.comparison import ratio
from scale.given import opened
from scale.ours import Ours


def run(bench: Bench) -> None:
    """Print the table: whole queries, search alone, and exact search alone, in turn."""
    bench.our_build(bench.folder, bench.made.rows)
    ours = Ours(bench.folder, bench.made.dimension, bench.made.rows)
    everything = ours.select()
    with opened(bench.folder) as index:
        searches = {
            "query, photos looked up": lambda queries: answers(index, queries, bench.k),
            "search alone": lambda queries: ours.search(queries, bench.k, everything),
            "exact search": lambda queries: exact.search(bench.made.vectors, queries, bench.k),
        }
        batches: dict[str, list[float]] = {name: [] for name in searches}
        singles: dict[str, list[float]] = {name: [] for name in searches}
        for _ in range(bench.rounds):
            for name, search in searches.items():
                batches[name].append(timed(lambda search=search: search(bench.queries)))
                singles[name].append(one_by_one(search, bench.queries[: bench.singles]))
        hits = sum(len(answer.hits) for answer in answers(index, bench.queries[:10], bench.k)) / 10
    head = ("warm", "single ms", f"batch {bench.batch} q/s", "x exact")
    lines = [
        [
            name,
            f"{statistics.median(singles[name]):.2f}",
            f"{bench.batch / statistics.median(batches[name]):,.0f}",
            f"{ratio(batches['exact search'], batches[name]):.2f}",
        ]
        for name in searches
    ]
    table(f"query, {hits:.0f} photos an answer", head, lines)


def answers(index: Index, queries: np.ndarray, k: int) -> list[Answer]:
    """What the index says to vectors."""
    return list(index.query_many(list(queries), k))
