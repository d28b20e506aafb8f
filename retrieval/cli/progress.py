"""Shows a run's progress on a terminal and turns Ctrl-C into a clean stop between batches."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from retrieval.cli.options import say
from retrieval.errors import Interrupted
from retrieval.records import Progress

LABELS = {
    "scanning": "Listing photos",
    "sampling": "Choosing photos for calibration",
    "calibrating": "Calibrating int8",
    "embedding": "Reading photos",
    "building": "Building the search index",
    "hashing": "Reading files",
    "rehashing": "Hashing thumbnails again",
    "looking": "Looking at thumbnails",
    "comparing": "Comparing photos",
    "applying": "Moving files",
    "asking": "Answering",
}


@contextmanager
def shown(enabled: bool | None) -> Iterator[Callable[[Progress], None]]:
    """Give a listener that draws progress on stderr: photos done, rate, time left, failures.

    The first Ctrl-C raises Interrupted at the next batch, when everything read is recorded; a second stops at once.
    """
    with _stoppable() as check, _drawn(sys.stderr.isatty() if enabled is None else enabled) as draw:

        def listen(progress: Progress) -> None:
            draw(progress)
            check()

        yield listen


@contextmanager
def _stoppable() -> Iterator[Callable[[], None]]:
    wanted = False

    def request(_signal: int, _frame: FrameType | None) -> None:
        nonlocal wanted
        wanted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        say("\nStopping after this batch; what is done is kept. Ctrl-C again stops at once.")

    def check() -> None:
        if wanted:
            raise Interrupted

    previous = signal.signal(signal.SIGINT, request)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def _drawn(enabled: bool) -> Iterator[Callable[[Progress], None]]:
    if not enabled:
        yield lambda _progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Starting", total=None, rate="", failed="")
        phase = ""

        def draw(progress: Progress) -> None:
            nonlocal phase
            if progress.phase != phase:
                phase = progress.phase
                bar.reset(task, description=LABELS[phase], total=progress.total, rate="", failed="")
            speed = bar.tasks[0].speed
            bar.update(
                task,
                completed=progress.done,
                total=progress.total,
                rate=f"{speed:.1f}/s" if speed else "",
                failed=f"{progress.failed:,} failed" if progress.failed else "",
            )

        yield draw
