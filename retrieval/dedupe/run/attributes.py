"""Gives a file the owner, permissions, times and extended attributes that it had before, as far as this user may."""

import base64
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from retrieval.dedupe.run.fingerprint import Fingerprint, read_extended
from retrieval.errors import Remedy, RunError


def give(path: Path, was: Fingerprint) -> None:
    """Give a file the attributes of a fingerprint, where they differ; what it has besides, it keeps.

    What a file system cannot store, or this user may not change, is left out: the journal still has it.
    """
    _give_owner(path, was)
    _give_extended(path, was.extended or {})
    found = path.lstat()
    if stat.S_IMODE(found.st_mode) != was.mode:
        with suppress(OSError):
            path.chmod(was.mode)
    if found.st_mtime_ns != was.mtime_ns:
        with suppress(OSError):
            os.utime(path, ns=(found.st_atime_ns, was.mtime_ns))


def _give_owner(path: Path, was: Fingerprint) -> None:
    if was.uid is None or was.gid is None or not hasattr(os, "chown"):
        return
    found = path.lstat()
    for uid, gid in ((-1, was.gid), (was.uid, -1)):
        if (uid, gid) not in ((found.st_uid, -1), (-1, found.st_gid)):
            with suppress(OSError):
                os.chown(path, uid, gid)


def _give_extended(path: Path, values: Mapping[str, str]) -> None:
    if not hasattr(os, "setxattr"):  # the journal may come from a system that has it
        return
    has = read_extended(path)
    for name, value in values.items():
        if has.get(name) != value:
            with suppress(OSError):
                os.setxattr(path, name, base64.b64decode(value), follow_symlinks=False)


def refuse_other_owner(path: Path, copy: Path, was: Fingerprint) -> None:
    """Raise RunError if a copy belongs to this user, and the original to another; an administrator can correct it."""
    if was.uid is None or not hasattr(os, "geteuid") or os.geteuid() == 0:
        return
    if copy.lstat().st_uid != was.uid:
        raise RunError(f"{path} belongs to another user, and its copy on another disk would not", Remedy.RUN_AS_OWNER)
