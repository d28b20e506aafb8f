"""An amount that threads share, so that what they hold together stays bounded."""

import contextlib
import threading
from collections.abc import Iterator


class Allowance:
    """Threads take parts of a total, in the order of asking; who finds too little left waits."""

    def __init__(self, total: int) -> None:
        self._total = self._free = total
        self._changed = threading.Condition()
        self._queue = threading.Lock()  # without it, small parts would overtake a large one for ever

    @contextlib.contextmanager
    def take(self, amount: int) -> Iterator[None]:
        """Hold `amount` inside the block; more than there is in all counts as all of it. Not to be nested."""
        part = max(0, min(amount, self._total))  # sizes that nobody knows are below 0
        with self._queue, self._changed:
            self._changed.wait_for(lambda: self._free >= part)
            self._free -= part
        try:
            yield
        finally:
            with self._changed:
                self._free += part
                self._changed.notify_all()
