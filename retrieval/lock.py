"""One writer at a time, to an index and to the files of an archive.

Locks are the operating system's, which releases them with the process that holds them.
"""

import contextlib
import errno
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from retrieval.errors import ArchiveLockedError, IndexLockedError, Remedy

if sys.platform != "win32":
    import fcntl

LOCK_NAME = "writer.lock"
OWNER_NAME = "writer.json"  # apart from the lock: taking a lock may empty its file
ARCHIVE_LOCK_NAME = ".retrieval-lock"  # in an archive folder whose file system locks no folders


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the index for writing; raise IndexLockedError at once, naming the owner, if another process does."""
    from filelock import FileLock, Timeout  # readers do without

    lock, process = FileLock(folder / LOCK_NAME, is_singleton=False), os.getpid()
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise IndexLockedError(f"{folder} is being written by {_owner(folder)}", Remedy.WAIT) from error
    try:
        _sign(folder)
        yield
    finally:
        if os.getpid() == process:  # in a fork of it the lock is the parent's
            with contextlib.suppress(OSError):
                (folder / OWNER_NAME).unlink()
            lock.release()


@contextmanager
def changing(archives: Iterable[Path], beside: Iterable[Path] = ()) -> Iterator[None]:
    """Hold archive folders for changing files in them; raise ArchiveLockedError at once if another process does.

    Each archive folder itself is locked for this process alone, and every folder above it for this process and others.
    So two runs exclude each other if they share an archive folder, under whatever name or mount, or if one's archive
    folder lies inside the other's; two folders side by side do not. `beside` are folders that files are only moved to
    or from: they and those above them are locked for this process and others.

    It is the folder that is locked, which writes nothing to the disk. Some network file systems lock files alone, and
    Windows does: there it is a hidden file in the archive folder. What no lock can know of (an overlay, a part of an
    archive mounted elsewhere, a server's own programs) has to be safe by the order in which files are changed.
    """
    alone, together = _folders(archives, beside)
    with ExitStack() as stack:
        for folder in sorted(alone):
            stack.enter_context(_locked(folder, alone=True))
        for folder in sorted(together):
            stack.enter_context(_locked(folder, alone=False))
        yield


def _folders(archives: Iterable[Path], beside: Iterable[Path]) -> tuple[set[Path], set[Path]]:
    """Return the folders to lock for this process alone, and together with others: each one once, by what it is."""
    archives, beside = [path.resolve() for path in archives], [path.resolve() for path in beside]
    alone = {key: path for path in archives if (key := _identity(path))}
    above = [*beside, *(parent for path in (*archives, *beside) for parent in path.parents)]
    together = {key: path for path in above if (key := _identity(path)) and key not in alone}
    return set(alone.values()), set(together.values())


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None  # not there, or nothing that this user may reach
    return found.st_dev, found.st_ino


@contextmanager
def _locked(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold one folder, alone or together with others, as far as its file system can lock."""
    if sys.platform == "win32":
        with _locked_by_file(folder) if alone else contextlib.nullcontext():
            yield
        return
    how = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    try:
        handle = _lock(folder, os.O_RDONLY | os.O_DIRECTORY, how)
        if handle is None:
            flags = os.O_RDWR | os.O_CREAT if alone and _has_files(folder) else os.O_RDONLY
            handle = _lock(folder / ARCHIVE_LOCK_NAME, flags | os.O_NOFOLLOW, how)
    except BlockingIOError as error:
        raise _archive_is_locked(folder) from error
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


if sys.platform == "win32":

    @contextmanager
    def _locked_by_file(folder: Path) -> Iterator[None]:
        from filelock import FileLock, Timeout

        try:
            with FileLock(folder / ARCHIVE_LOCK_NAME, timeout=0, is_singleton=False):
                yield
        except Timeout as error:
            raise _archive_is_locked(folder) from error

else:

    def _lock(path: Path, flags: int, how: int) -> int | None:
        """Open and lock a file or folder; None if it cannot be opened or locked. Raises BlockingIOError if it is."""
        try:
            handle = os.open(path, flags | os.O_CLOEXEC, 0o666)
        except OSError:
            return None
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise BlockingIOError from error
            return None
        return handle


def _has_files(folder: Path) -> bool:
    """Tell whether a folder is no empty mount point, into which nothing is ever written."""
    try:
        return any(folder.iterdir())
    except OSError:
        return False


def _archive_is_locked(folder: Path) -> ArchiveLockedError:
    return ArchiveLockedError(f"another run is changing files in {folder}", Remedy.WAIT)


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
