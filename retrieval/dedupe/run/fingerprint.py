"""What identifies a file, and what a copy of it, or what is put back in its place, must have."""

import base64
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from retrieval.archive.content import hash_file
from retrieval.errors import RunError

_OF_THE_SYSTEM = "trusted.overlay."  # attributes in which an overlay keeps its own account of a file


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A file's bytes and attributes at one moment."""

    size: int  # bytes
    mtime_ns: int
    mode: int  # permissions
    inode: int  # or the platform's file number
    sha256: str  # hexadecimal
    # Unknown to journals of 0.1.0.
    uid: int | None = None  # owner
    gid: int | None = None
    extended: Mapping[str, str] | None = None  # extended attributes by name, base64; None where there are no such

    def completed(self, source: Path) -> "Fingerprint":
        """Take what is unknown from a file that has it."""
        found = plain_file_status(source)
        return replace(
            self,
            uid=found.st_uid if self.uid is None else self.uid,
            gid=found.st_gid if self.gid is None else self.gid,
            extended=read_extended(source) if self.extended is None else self.extended,
        )


def any_status(path: Path) -> os.stat_result:
    """Return the status of whatever is there, links not followed. Raises RunError if there is nothing."""
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunError(f"{path} is missing") from error


def plain_file_status(path: Path) -> os.stat_result:
    """Return the status of a regular file. Raises RunError if there is none, or something else."""
    found = any_status(path)
    if stat.S_ISLNK(found.st_mode):
        raise RunError(f"{path} is a symbolic link, and links are neither followed nor moved")
    if not stat.S_ISREG(found.st_mode):
        raise RunError(f"{path} is not a regular file")
    return found


def fingerprint(path: Path) -> Fingerprint:
    """Read a regular file. Raises RunError for anything else or if it changes meanwhile, OSError if unreadable."""
    before = plain_file_status(path)
    digest = hash_file(path).hex()
    extended = read_extended(path)
    after = plain_file_status(path)
    if (before.st_ino, before.st_size, before.st_mtime_ns) != (after.st_ino, after.st_size, after.st_mtime_ns):
        raise RunError(f"{path} changed while it was being read")
    mode = stat.S_IMODE(after.st_mode)
    owned = (after.st_uid, after.st_gid, extended or None)
    return Fingerprint(after.st_size, after.st_mtime_ns, mode, after.st_ino, digest, *owned)


def holds_bytes(path: Path, original: Fingerprint) -> bool:
    """Tell whether a path is a regular file with these bytes."""
    try:
        return plain_file_status(path).st_size == original.size and hash_file(path).hex() == original.sha256
    except (RunError, FileNotFoundError):
        return False


def is_one_file(one: os.stat_result, other: os.stat_result) -> bool:
    """Tell whether two statuses are of one file under two names, or reached through two mounts.

    An overlay shows a file of its layers under another device, but with the same number and times. A snapshot of a file
    looks the same, and is no second copy either.
    """

    def facts(status: os.stat_result) -> tuple[int, int, int, int]:
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    return os.path.samestat(one, other) or facts(one) == facts(other)


def read_extended(path: Path) -> dict[str, str]:
    """Return the extended attributes that this user may read, in base64; none where the system has no such."""
    found: dict[str, str] = {}
    if hasattr(os, "listxattr"):
        with suppress(OSError):
            for name in sorted(os.listxattr(path, follow_symlinks=False)):
                if not name.startswith(_OF_THE_SYSTEM):
                    with suppress(OSError):
                        value = os.getxattr(path, name, follow_symlinks=False)
                        found[name] = base64.b64encode(value).decode("ascii")
    return found
