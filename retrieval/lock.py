"""One writer at a time: a lock that the operating system releases with its process, and a note of who holds it."""

import contextlib
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from retrieval.errors import IndexLockedError, Remedy

LOCK_NAME = "writer.lock"
OWNER_NAME = "writer.json"  # apart from the lock: taking a lock may empty its file


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the index for writing; raise IndexLockedError at once, naming the owner, if another process does."""
    from filelock import FileLock, Timeout  # readers do without

    lock = FileLock(folder / LOCK_NAME, is_singleton=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise IndexLockedError(f"{folder} is being written by {_owner(folder)}", Remedy.WAIT) from error
    try:
        _sign(folder)
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / OWNER_NAME).unlink()
        lock.release()


def _sign(folder: Path) -> None:
    owner = {
        "pid": os.getpid(),
        "host": platform.node(),
        "command": " ".join(sys.argv[:3]),
        "since": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    with contextlib.suppress(OSError):  # a full disk must not stop `verify`; the owner then stays unnamed
        (folder / OWNER_NAME).write_text(json.dumps(owner), encoding="utf-8")


def _owner(folder: Path) -> str:
    try:
        owner = json.loads((folder / OWNER_NAME).read_text(encoding="utf-8"))
        return f"process {owner['pid']} on {owner['host']} since {owner['since']} ({owner['command']})"
    except (OSError, ValueError, KeyError, TypeError):  # it has not signed yet, or is just leaving
        return "another process"
