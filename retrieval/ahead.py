"""Runs jobs in threads a bounded way ahead of whoever consumes their results. Knows nothing of photos."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def ahead(
    jobs: Iterable[tuple[Callable[[], Result], int]], *, workers: int, window: int, budget: int
) -> Iterator[Result]:
    """Yield the jobs' results in order; a job is (callable, bytes it may hold).

    At most `window` jobs, holding at most `budget` bytes together, are begun and not yet consumed (one job may
    exceed the budget alone). `jobs` is advanced in the caller's thread. Closing the iterator drops what has not begun.
    """
    waiting: deque[tuple[Future[Result], int]] = deque()
    held = 0
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        for run, weight in jobs:
            while waiting and (len(waiting) >= window or held + weight > budget):
                future, freed = waiting.popleft()
                held -= freed
                yield future.result()
            waiting.append((pool.submit(run), weight))
            held += weight
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        pool.shutdown(cancel_futures=True)
