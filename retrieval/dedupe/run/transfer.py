"""Moves, links, copies and deletes single files so that a crash leaves each one undone, done, or visibly half done.

Nothing here overwrites a file that it did not make, follows a link, or removes bytes before they are safe elsewhere.
"""

import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from retrieval.dedupe.run.attributes import give, refuse_other_owner
from retrieval.dedupe.run.fingerprint import Fingerprint, any_status, holds_bytes, plain_file_status
from retrieval.durable import sync_folder
from retrieval.errors import Remedy, RunError

BLOCK_BYTES = 1 << 20
# What network and FUSE file systems that cannot sync a folder answer.
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)
FICLONE = 0x40049409  # linux/fs.h: share another file's blocks


def move(source: Path, target: Path, temporary: Path, original: Fingerprint) -> None:
    """Move a file to a free path in an existing folder. `temporary`, beside the target, is used across file systems.

    Raises FileExistsError if the target exists, RunError if the source changes meanwhile.
    """
    _reserve(target)
    move_onto_placeholder(source, target, temporary, original)


def rename(source: Path, target: Path) -> None:
    """Rename a file, or whatever else has that name now, to a free path on its file system.

    Raises FileExistsError if there is something, RunError if the source is missing.
    """
    if stat.S_ISREG(any_status(source).st_mode):
        _reserve(target)
        os.replace(source, target)  # noqa: PTH105 - the one call that is atomic on every platform
    elif os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    else:
        os.rename(source, target)  # noqa: PTH104


def move_onto_placeholder(source: Path, target: Path, temporary: Path, original: Fingerprint) -> None:
    """Move a file onto the empty file that reserves its name."""
    if plain_file_status(target).st_size:
        raise RunError(f"{target} was written by another program meanwhile")
    try:
        os.replace(source, target)  # noqa: PTH105 - the one call that is atomic on every platform
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_across(source, target, temporary, original)
    sync_entries(target.parent)
    sync_entries(source.parent)


def _move_across(source: Path, target: Path, temporary: Path, original: Fingerprint) -> None:
    before = _identity(source)
    copy(source, temporary, original)
    _refuse_changed(source, before)
    os.replace(temporary, target)  # noqa: PTH105
    sync_entries(target.parent)
    _refuse_changed(source, before)
    source.unlink()


def copy(source: Path, target: Path, original: Fingerprint) -> None:
    """Copy a file to a free path, with the attributes that the original had, and sync the copy to the disk.

    Raises RunError if the copy does not have the expected bytes, or cannot have the owner. Then there is no copy.
    """
    status = plain_file_status(source)
    with source.open("rb") as reader, target.open("xb") as writer, _removed_on_failure(target):
        shutil.copyfileobj(reader, writer, BLOCK_BYTES)
        writer.flush()
        whole = original.completed(source)
        give(target, whole)
        refuse_other_owner(source, target, whole)
        os.utime(target, ns=(status.st_atime_ns, original.mtime_ns))
        os.fsync(writer.fileno())
        if not holds_bytes(target, original):
            raise RunError(f"{source} stays where it is, because its copy has other bytes")


def hardlink(keeper: Path, member: Path, path: Path) -> None:
    """Make `path`, which is free, a hard link to the keeper; then remove `member`, which was at that path.

    Raises RunError unless both have the same bytes, on one file system that has hard links.
    """
    _refuse_different(keeper, member)
    try:
        os.link(keeper, path)  # both were seen to be plain files
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise RunError(f"{path} is on another file system than its keeper", Remedy.OTHER_MODE) from error
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise RunError(f"the file system of {path} has no hard links", Remedy.OTHER_MODE) from error
        raise
    sync_entries(path.parent)
    delete(member)


def reflink(keeper: Path, member: Path, path: Path, temporary: Path, original: Fingerprint) -> None:
    """Make `path`, which is free, a file that shares the keeper's blocks; then remove `member`, which was at that path.

    The new file has the times and permissions of the member. `temporary` is a free path beside it. Raises RunError
    unless both have the same bytes, on one file system that can share blocks (Btrfs, XFS, bcachefs).
    """
    if sys.platform != "linux":
        raise RunError("files cannot share blocks on this system", Remedy.OTHER_MODE)
    import fcntl

    _refuse_different(keeper, member)
    with keeper.open("rb") as reader, temporary.open("xb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), FICLONE, reader.fileno())
        except OSError as error:
            what = f"{path} cannot share blocks with its keeper ({error.strerror})"
            raise RunError(what, Remedy.OTHER_MODE) from error
        give(temporary, original.completed(member))
        os.fsync(writer.fileno())
    if not holds_bytes(temporary, original):
        raise RunError(f"{path} stays as it is, because the shared copy has other bytes")
    _reserve(path)
    os.replace(temporary, path)  # noqa: PTH105
    sync_entries(path.parent)
    delete(member)


def delete(path: Path) -> None:
    """Delete a file permanently."""
    path.unlink()
    sync_entries(path.parent)


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def same_bytes(one: Path, other: Path) -> bool:
    """Compare two files byte for byte."""
    with one.open("rb") as left, other.open("rb") as right:
        while True:
            block = left.read(BLOCK_BYTES)
            if block != right.read(BLOCK_BYTES):
                return False
            if not block:
                return True


def sync_entries(folder: Path) -> None:
    """Sync the entries of a folder to the disk, if its file system can."""
    try:
        sync_folder(folder)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def _reserve(path: Path) -> None:
    """Take a free name with an empty file. Raises FileExistsError if the name is taken."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _refuse_different(keeper: Path, member: Path) -> None:
    if not same_bytes(keeper, member):
        raise RunError(f"{member} no longer has the bytes of its keeper {keeper}")


def _identity(path: Path) -> tuple[int, int, int, int]:
    found = plain_file_status(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _refuse_changed(path: Path, before: tuple[int, int, int, int]) -> None:
    if _identity(path) != before:
        raise RunError(f"{path} changed while it was being moved, so it is not moved")
