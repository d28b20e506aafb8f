"""An indexing run to be killed, in a module of its own: child processes import it by name."""

import os
import signal
from pathlib import Path

from retrieval import Index
from retrieval.embed import embedder
from retrieval.indexing import calibrate


def run(folder: Path, model: Path, photos: Path, started, kill_at_step: int, **options) -> None:
    """Index in a child process; with a step number, the child kills itself before that durable step."""
    embedder.GROUP_S = 0  # every batch is recorded by itself: more moments to be killed at
    calibrate.LEAST = 5
    step = 0

    def count(name, function):
        def counted(*arguments, **options):
            nonlocal step
            step += 1
            if step == kill_at_step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return counted

    if kill_at_step:
        os.fsync = count("fsync", os.fsync)
        os.replace = count("replace", os.replace)
        Path.replace = count("replace", Path.replace)
        from sqlalchemy.engine.default import DefaultDialect

        DefaultDialect.do_commit = count("commit", DefaultDialect.do_commit)
    started.set()
    make = Index.open if Index.exists(folder) else Index.create
    with make(folder, model=str(model), device="cpu", **({"batch_size": 2} | options)) as index:
        index.add(photos)
