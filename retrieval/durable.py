"""Files that are either the old or the new version after a crash, and folders whose entries survive one."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.errors import Remedy, StorageError

if sys.platform != "win32":
    import fcntl

_LONGEST_NAME = 100  # bytes of the target's name inside the temporary one: some file systems allow 143 in all
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a new, empty file beside `path` to write to; on success sync it and rename it to `path`, else remove it.

    The file that is replaced keeps its permissions and, where this user may say so, its owner; a link is replaced by a
    file, what it pointed to stays as it is. The temporary file is made under a name that nobody can have prepared. What
    a killed process left of its own is removed first. Raises StorageError, which is an OSError too, where the file
    cannot be written, or where `path` is a folder or a device.
    """
    with naming(path):
        replaced = _replaceable(path)
        _remove_abandoned(path)
        partial, handle = _create_private(path, 0o666 if replaced is None else 0o600)
    try:
        with naming(path, partial):
            yield partial
            sync_file(partial)
            if replaced is not None:
                _take_over(partial, replaced)
            partial.replace(path)
            sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    finally:
        if handle is not None:
            os.close(handle)


@contextmanager
def naming(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Turn the OSErrors of writing a file into StorageErrors that name it; those that name another file pass."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if partial is not None and error.filename not in (None, str(partial), os.fspath(path)):
            raise
        remedy = (
            Remedy.FREE_SPACE
            if error.errno in _NO_SPACE
            else Remedy.PERMISSIONS
            if error.errno in _NO_PERMISSION
            else None
        )
        raise StorageError(path, error.errno, error.strerror or str(error), remedy) from error


@contextmanager
def scratch_folder(folder: Path, name: str) -> Iterator[Path]:
    """Give a private folder inside `folder`, and remove it with what is left in it.

    The caller holds the lock on `folder`: scratch folders of that name which killed processes left are removed first.
    """
    for left in folder.glob(f".{name}-*.scratch"):
        if not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        dir=folder, prefix=f".{name}-", suffix=".scratch", ignore_cleanup_errors=True
    ) as made:
        yield Path(made)


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes left while they replaced a file of an index; the caller holds the writer's lock.

    Version 0.1.0 left `NAME.partial`, a name that outside of an index may be a user's own.
    """
    _remove_abandoned(path)
    path.with_name(f"{path.name}.partial").unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until a folder's entries are on the disk, where the platform can."""
    if os.name == "nt":  # Windows cannot open folders; its renames are journalled
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replaceable(path: Path) -> os.stat_result | None:
    """Return the facts of the file that will be replaced, None where there is none to take over from."""
    try:
        target = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(target.st_mode):
        raise StorageError(path, errno.EINVAL, "it is a folder or a device, not a file", None)
    return None if path.is_symlink() else target


def _create_private(path: Path, mode: int) -> tuple[Path, int | None]:
    """Make an empty file with a name of its own beside `path`; return it with a handle that holds its lock.

    The lock tells other processes that somebody is at work on it. Windows renames no open file, so there is none.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    while True:
        partial = path.with_name(f"{_prefix(path)}{os.urandom(8).hex()}.partial")
        try:
            handle = os.open(partial, flags, mode)
        except FileExistsError:
            continue
        if sys.platform == "win32":
            os.close(handle)
            return partial, None
        if _lock(handle, partial) is not False:  # None: a file system without locks, where nobody removes anything
            return partial, handle
        os.close(handle)  # another process took the new file for abandoned before it was locked


def _remove_abandoned(path: Path) -> None:
    """Remove temporary files for `path` that this user's processes left; what is locked is still being written."""
    ours = re.compile(re.escape(_prefix(path)) + r"[0-9a-f]{16}\.partial")
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for name in [entry.name for entry in entries if ours.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                _remove_if_abandoned(path.with_name(name))


def _remove_if_abandoned(partial: Path) -> None:
    facts = partial.lstat()
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        return
    if sys.platform == "win32":  # it deletes no file that is open
        partial.unlink()
        return
    if facts.st_uid != os.geteuid():
        return
    handle = os.open(partial, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if _lock(handle, partial):
            partial.unlink()
    finally:
        os.close(handle)


def _lock(handle: int, partial: Path) -> bool | None:
    """Lock an open file: True if it is now ours, False if another process has it or removed it, None if locks fail."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), partial.lstat())
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:
        return None


def _take_over(partial: Path, replaced: os.stat_result) -> None:
    """Give the new file the permissions of the old one, and its owner where this user may."""
    mode = stat.S_IMODE(replaced.st_mode) & 0o777
    if hasattr(os, "chown"):
        with contextlib.suppress(PermissionError):
            os.chown(partial, -1, replaced.st_gid)
        with contextlib.suppress(PermissionError):
            os.chown(partial, replaced.st_uid, -1)
        if partial.stat().st_gid != replaced.st_gid:  # what one group was trusted with, another need not be
            mode = mode & ~0o070 | (mode & 0o007) << 3
    partial.chmod(mode)


def _prefix(path: Path) -> str:
    """What the names of temporary files for `path` begin with; a random token follows."""
    name = os.fsencode(path.name)
    return f".{path.name if len(name) <= _LONGEST_NAME else hashlib.sha256(name).hexdigest()}."
