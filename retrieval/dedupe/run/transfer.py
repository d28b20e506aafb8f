"""Single steps that change files, each of which a crash leaves undone, done, or plainly recognisable as half done.

No step overwrites what it did not make, follows a link, or removes bytes before they are safe elsewhere. What a crash
leaves behind is cleared by `restore`; the order of steps, and their journal, is `apply`'s and `undo`'s work.
"""

import contextlib
import errno
import os
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from retrieval.archive.content import hash_file
from retrieval.durable import sync_folder
from retrieval.errors import RunError

BLOCK_BYTES = 1 << 20
# Network and FUSE file systems answer so when asked to sync a folder: they have no way to.
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)
FICLONE = 0x40049409  # linux/fs.h: share another file's blocks


@dataclass(frozen=True, slots=True)
class Imprint:
    """What tells whether a file is still the one we mean, and what a copy of it must look like."""

    size: int  # bytes
    mtime_ns: int
    mode: int  # permissions
    inode: int  # or the platform's file number
    sha256: str  # hexadecimal


def facts(path: Path) -> os.stat_result:
    """Return what the file system says of a plain file; raise RunError for anything else that a path can lead to."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunError(f"{path} is not there") from error
    if stat.S_ISLNK(found.st_mode):
        raise RunError(f"{path} is a symbolic link: links are never followed or moved")
    if not stat.S_ISREG(found.st_mode):
        raise RunError(f"{path} is not a plain file")
    return found


def imprint(path: Path) -> Imprint:
    """Read a plain file; raise RunError if it is none, or changes meanwhile, OSError if it cannot be read."""
    before = facts(path)
    digest = hash_file(path).hex()
    after = facts(path)
    if (before.st_ino, before.st_size, before.st_mtime_ns) != (after.st_ino, after.st_size, after.st_mtime_ns):
        raise RunError(f"{path} changed while it was being read")
    return Imprint(after.st_size, after.st_mtime_ns, stat.S_IMODE(after.st_mode), after.st_ino, digest)


def holds(path: Path, was: Imprint) -> bool:
    """Tell whether a plain file with these bytes is there."""
    try:
        return facts(path).st_size == was.size and hash_file(path).hex() == was.sha256
    except (RunError, FileNotFoundError):
        return False


def move(source: Path, target: Path, temporary: Path, was: Imprint) -> None:
    """Move a file to a free path, whose folder exists; `temporary`, beside the target, serves across file systems.

    Raises FileExistsError if something is at the target, RunError if the source does not stay as it was.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # nobody else can take the name now
    move_onto_placeholder(source, target, temporary, was)


def move_onto_placeholder(source: Path, target: Path, temporary: Path, was: Imprint) -> None:
    """Move a file onto an empty one that `move` made."""
    if facts(target).st_size:
        raise RunError(f"{target} was written by another program meanwhile")
    try:
        os.replace(source, target)  # noqa: PTH105 - the one call that is atomic on every platform
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_across(source, target, temporary, was)
    sync_entries(target.parent)
    sync_entries(source.parent)


def _move_across(source: Path, target: Path, temporary: Path, was: Imprint) -> None:
    before = _identity(source)
    copy(source, temporary, was)
    _refuse_changed(source, before)
    os.replace(temporary, target)  # noqa: PTH105
    sync_entries(target.parent)
    _refuse_changed(source, before)
    source.unlink()


def copy(source: Path, target: Path, was: Imprint) -> None:
    """Copy a file to a free path, with its times and permissions, and wait until the copy is on the disk.

    Raises RunError if the copy does not have the expected bytes.
    """
    with source.open("rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer, BLOCK_BYTES)
        writer.flush()
        with contextlib.suppress(OSError):  # file systems differ in what they can keep; the bytes are what counts
            shutil.copystat(source, target)
            target.chmod(was.mode)
        os.utime(target, ns=(was.mtime_ns, was.mtime_ns))
        os.fsync(writer.fileno())
    if not holds(target, was):
        raise RunError(f"{source} was not copied faithfully, or changed meanwhile: it stays where it is")


def hardlink(keeper: Path, member: Path, temporary: Path) -> None:
    """Make `member` another name of the keeper's file; `temporary` lies beside the member.

    Raises RunError unless both have the same bytes on one file system that knows hard links.
    """
    _refuse_different(keeper, member)
    try:
        os.link(keeper, temporary)  # both were seen to be plain files
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise RunError(f"{member} is on another file system than its keeper: no link can lead there") from error
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise RunError(f"{member}: this file system has no hard links") from error
        raise
    os.replace(temporary, member)  # noqa: PTH105
    sync_entries(member.parent)


def reflink(keeper: Path, member: Path, temporary: Path, was: Imprint) -> None:
    """Let `member` share the keeper's blocks on the disk, as a file of its own; `temporary` lies beside it.

    Raises RunError unless both have the same bytes on one file system that can share blocks (Btrfs, XFS, bcachefs).
    """
    if sys.platform != "linux":
        raise RunError("sharing blocks (--reflink) is not supported here: use another way")
    import fcntl

    _refuse_different(keeper, member)
    with keeper.open("rb") as reader, temporary.open("xb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), FICLONE, reader.fileno())
        except OSError as error:
            raise RunError(f"{member} cannot share blocks with its keeper here ({error.strerror})") from error
        with contextlib.suppress(OSError):
            shutil.copystat(member, temporary)
        os.utime(temporary, ns=(was.mtime_ns, was.mtime_ns))
        os.fsync(writer.fileno())
    if not holds(temporary, was):
        raise RunError(f"{member} stays as it is: the shared copy does not have its bytes")
    os.replace(temporary, member)  # noqa: PTH105
    sync_entries(member.parent)


def delete(path: Path) -> None:
    """Remove a file for good."""
    path.unlink()
    sync_entries(path.parent)


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
    """Wait until a folder's entries are on the disk, as far as its file system knows how to."""
    try:
        sync_folder(folder)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def _refuse_different(keeper: Path, member: Path) -> None:
    if not same_bytes(keeper, member):
        raise RunError(f"{member} no longer has the bytes of its keeper {keeper}")


def _identity(path: Path) -> tuple[int, int, int, int]:
    found = facts(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _refuse_changed(path: Path, before: tuple[int, int, int, int]) -> None:
    if _identity(path) != before:
        raise RunError(f"{path} changed while it was being moved: it stays where it is")
