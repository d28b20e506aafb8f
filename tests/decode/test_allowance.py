"""Threads share an amount."""

import threading
from concurrent.futures import ThreadPoolExecutor

from retrieval.decode.allowance import Allowance


def test_no_more_than_the_total_is_held_at_once() -> None:
    allowance, lock = Allowance(10), threading.Lock()
    held: list[int] = []
    highest: list[int] = []

    def work(amount: int) -> None:
        with allowance.take(amount):
            with lock:
                held.append(amount)
                highest.append(sum(held))
            threading.Event().wait(0.002)
            with lock:
                held.remove(amount)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [1, 4, 7, 2, 10, 3, 5, 5, 1, 9] * 5))
    assert 7 <= max(highest) <= 10


def test_more_than_the_total_counts_as_all_of_it() -> None:
    allowance = Allowance(10)
    with allowance.take(1_000):
        pass
    with allowance.take(10):
        pass


def test_what_failed_gives_its_part_back() -> None:
    allowance = Allowance(3)
    for _ in range(5):
        try:
            with allowance.take(3):
                raise KeyError("inside")
        except KeyError:
            pass
    with allowance.take(3):
        pass


def test_a_large_part_is_not_overtaken_for_ever() -> None:
    allowance = Allowance(10)
    done = threading.Event()

    def stream_of_small_parts() -> None:
        while not done.is_set():
            with allowance.take(6):
                pass

    threads = [threading.Thread(target=stream_of_small_parts) for _ in range(4)]
    for thread in threads:
        thread.start()
    with allowance.take(10):
        done.set()
    for thread in threads:
        thread.join(timeout=10)
    assert done.is_set()
