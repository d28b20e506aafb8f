"""Jobs in threads, ahead of whoever consumes them."""

import threading
from collections.abc import Callable, Iterator

import pytest

from retrieval.decode.prefetch import prefetch


class Watched:
    """Jobs that note how many of them run, and what they hold together, at a time."""

    def __init__(self) -> None:
        self.begun = self.running = self.most_running = self.held = self.most_held = 0
        self._lock = threading.Lock()

    def job(self, number: int, weight: int = 0) -> tuple[Callable[[], int], int]:
        def run() -> int:
            with self._lock:
                self.begun += 1
                self.running += 1
                self.held += weight
                self.most_running = max(self.most_running, self.running)
                self.most_held = max(self.most_held, self.held)
            threading.Event().wait(0.002)
            with self._lock:
                self.running -= 1
                self.held -= weight
            return number

        return run, weight


def test_results_come_in_order_from_several_threads() -> None:
    watched = Watched()
    results = prefetch((watched.job(number) for number in range(50)), workers=4, window=16, budget=0)
    assert list(results) == list(range(50))
    assert 2 <= watched.most_running <= 4


def test_no_more_jobs_are_asked_for_than_the_window_holds() -> None:
    taken = 0

    def jobs() -> Iterator[tuple[Callable[[], int], int]]:
        nonlocal taken
        for number in range(30):
            taken += 1
            yield (lambda number=number: number), 0

    for consumed, _ in enumerate(prefetch(jobs(), workers=2, window=5, budget=0)):
        assert taken <= consumed + 6  # the one more is in the caller's hands


def test_jobs_that_are_not_done_hold_no_more_than_the_budget() -> None:
    """Those that wait for a thread included: their files are in memory already."""
    held: list[int] = []
    done: list[int] = []
    lock = threading.Lock()

    def job(weight: int) -> tuple[Callable[[], None], int]:
        with lock:
            held.append(weight)
            assert sum(held) - sum(done) <= 17 + 7  # the last one is in the caller's hands

        def run() -> None:
            threading.Event().wait(0.001)
            with lock:
                done.append(weight)

        return run, weight

    list(prefetch((job(1 + number % 7) for number in range(60)), workers=3, window=60, budget=17))
    assert sum(held) == sum(done)


def test_results_that_wait_count_no_longer_towards_the_budget() -> None:
    """Large files must not keep decoded ones from filling the window."""
    watched = Watched()
    taken = 0

    def jobs() -> Iterator[tuple[Callable[[], int], int]]:
        nonlocal taken
        for number in range(40):
            taken += 1
            yield watched.job(number, 10)
            while watched.begun < taken or watched.running:  # done before the next is asked for
                threading.Event().wait(0.001)

    results = prefetch(jobs(), workers=2, window=30, budget=10)
    assert next(results) == 0
    assert watched.begun >= 25
    assert list(results) == list(range(1, 40))


def test_results_that_weigh_count_until_they_are_consumed() -> None:
    watched = Watched()
    results = prefetch(
        (watched.job(number, 10) for number in range(40)), workers=2, window=30, budget=50, results_weigh=True
    )
    for consumed, number in enumerate(results):
        assert number == consumed
        assert watched.begun <= consumed + 6
    assert watched.begun == 40


@pytest.mark.parametrize("weight", [-1, 0, 99])
def test_a_job_of_unknown_or_excessive_weight_runs(weight: int) -> None:
    watched = Watched()
    assert list(prefetch([watched.job(1, weight), watched.job(2, 5)], workers=2, window=2, budget=10)) == [1, 2]


def test_a_failure_reaches_the_consumer_in_its_place() -> None:
    def fail() -> int:
        raise ValueError("no")

    results = prefetch([(lambda: 1, 0), (fail, 3), (lambda: 2, 0)], workers=2, window=3, budget=3)
    assert next(results) == 1
    with pytest.raises(ValueError, match="no"):
        next(results)


def test_closing_drops_what_has_not_begun() -> None:
    watched = Watched()
    results = prefetch((watched.job(number) for number in range(40)), workers=1, window=40, budget=0)
    next(results)
    results.close()
    assert watched.begun < 40
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
