"""Runs jobs in threads a bounded way ahead of whoever consumes their results. Knows nothing of photos."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class _Held:
    """The bytes that jobs hold at a time; threads take away what they are done with."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = threading.Lock()

    def add(self, amount: int) -> None:
        with self._lock:
            self.total += amount


def prefetch(
    jobs: Iterable[tuple[Callable[[], Result], int]],
    *,
    workers: int,
    window: int,
    budget: int,
    results_weigh: bool = False,
) -> Iterator[Result]:
    """Yield the jobs' results in order; a job is (callable, bytes that it holds until it is done).

    At most `window` jobs are begun and not yet consumed. Those of them that are not done hold at most `budget` bytes
    together, or one alone as much as it takes; with `results_weigh` a job holds them until its result is consumed.
    `jobs` is advanced in the caller's thread. Closing the iterator drops what has not begun.
    """
    waiting: deque[tuple[Future[Result], int]] = deque()
    held = _Held()

    def consume() -> Result:
        future, weight = waiting.popleft()
        result = future.result()
        if results_weigh:
            held.add(-weight)
        return result

    pool = ThreadPoolExecutor(workers, thread_name_prefix="prefetch")
    try:
        for run, weight in jobs:
            while waiting and (len(waiting) >= window or held.total + weight > budget):
                yield consume()
            held.add(weight)
            future = pool.submit(run)
            if weight and not results_weigh:
                future.add_done_callback(lambda _done, weight=weight: held.add(-weight))  # type: ignore[misc]
            waiting.append((future, weight))
        while waiting:
            yield consume()
    finally:
        pool.shutdown(cancel_futures=True)
