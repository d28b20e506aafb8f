"""Runs jobs in threads a bounded way ahead of whoever consumes their results. Knows nothing of photos."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from retrieval.decode.allowance import Allowance

Result = TypeVar("Result")


def prefetch(
    jobs: Iterable[tuple[Callable[[], Result], int]], *, workers: int, window: int, budget: int
) -> Iterator[Result]:
    """Yield the jobs' results in order; a job is (callable, bytes that it holds while it runs).

    At most `window` jobs are begun and not yet consumed, and those that run hold at most `budget` bytes together (one
    job may exceed it alone). `jobs` is advanced in the caller's thread. Closing the iterator drops what has not begun.
    """
    waiting: deque[Future[Result]] = deque()
    held = Allowance(budget)

    def holding(run: Callable[[], Result], weight: int) -> Result:
        with held.take(weight):
            return run()

    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        for run, weight in jobs:
            if len(waiting) >= window:
                yield waiting.popleft().result()
            waiting.append(pool.submit(holding, run, weight))
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
