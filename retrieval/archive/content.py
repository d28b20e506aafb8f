"""Reads a photo file once: its bytes, their SHA-256, and size and time at the moment of reading."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import PhotoError


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file, with what the file system said of them at the moment of reading."""

    data: bytes
    hash: bytes  # SHA-256 digest
    size: int
    mtime_ns: int


def read_file(path: Path) -> Content:
    """Read and hash a whole file once; raise PhotoError ("unreadable") if that fails or the file changes meanwhile."""
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            data = file.read()
            after = os.fstat(file.fileno())
    except OSError as error:
        raise PhotoError("unreadable", f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # NUL, or characters that this file system cannot spell
        raise PhotoError("unreadable", f"cannot be read: no file has such a name ({error})") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(data) != after.st_size:
        raise PhotoError("unreadable", "changed while it was being read: try again once it is complete")
    return Content(data, hash_bytes(data), after.st_size, after.st_mtime_ns)


def hash_bytes(data: bytes) -> bytes:
    """Return the SHA-256 digest that the catalogue knows these bytes by."""
    return hashlib.sha256(data).digest()


def hash_file(path: Path) -> bytes:
    """Return the SHA-256 digest of a file, read in pieces; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
