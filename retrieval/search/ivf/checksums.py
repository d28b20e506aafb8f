"""Checksums of a file, block by block, stored at its end: a reader can check just the part that it is going to use.

They tell a file that was damaged from the one that was written, at the speed of memory; against forgery, and for the
whole file, there is the SHA-256 beside it. Nothing in them depends on the file's times, so copies and restored backups
open like the original. The footer, little-endian:

    sums        8 bytes for each block of 64 KB of the contents, the last one padded with zeros
    contents    8 bytes: how many bytes stand before the footer
    eager       8 bytes: how many of them have to be checked before anything is used
    digest      32 bytes: SHA-256 of all of the footer before it
    magic       8 bytes
"""

import hashlib
import struct
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexFormatError, Remedy

Sums = NDArray[np.uint64]
Bytes = NDArray[np.uint8]

BLOCK = 2**16
WORDS = BLOCK // 8
BLOCKS_AT_ONCE = 1024  # 64 MB
MAGIC = b"RTRVSUMS"
_LENGTHS = struct.Struct("<QQ")
_TAIL = _LENGTHS.size + 32 + len(MAGIC)


def _weights() -> Sums:
    """Return a factor for each word of a block, (WORDS,), by SplitMix64: what is moved counts differently.

    They are odd, so that no change of a single word can leave the sum as it is.
    """
    mixed = np.arange(1, WORDS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31)) | np.uint64(1)


WEIGHTS = _weights()


def block_sums(contents: Bytes) -> Sums:
    """Return the weighted sum of each block of some bytes, modulo 2^64, (blocks,); the last block may be short."""
    whole = len(contents) // BLOCK * BLOCK
    sums = [_sums(contents[:whole])]
    if whole < len(contents):
        last = np.zeros(BLOCK, dtype=np.uint8)
        last[: len(contents) - whole] = contents[whole:]
        sums.append(_sums(last))
    return np.concatenate(sums)


def _sums(blocks: Bytes) -> Sums:
    sums: Sums = blocks.view("<u8").reshape(-1, WORDS) @ WEIGHTS
    return sums


class Summing:
    """Sums up a file while it is written."""

    def __init__(self) -> None:
        self._sums: list[Sums] = []
        self._pending = bytearray()
        self._size = 0

    def update(self, data: bytes) -> None:
        """Take the next bytes of the contents."""
        self._size += len(data)
        self._pending += data
        whole = len(self._pending) // BLOCK * BLOCK
        if whole:
            self._sums.append(block_sums(np.frombuffer(bytes(self._pending[:whole]), dtype=np.uint8)))
            del self._pending[:whole]

    def footer(self, *, lazy_bytes: int) -> "Footer":
        """Return what to write behind the contents; their last `lazy_bytes` may be checked when they are used."""
        last = block_sums(np.frombuffer(bytes(self._pending), dtype=np.uint8))
        sums = np.concatenate([*self._sums, last]).astype("<u8").tobytes()
        body = sums + _LENGTHS.pack(self._size, self._size - lazy_bytes)
        digest = hashlib.sha256(body)
        return Footer(body + digest.digest() + MAGIC, digest.hexdigest())


@dataclass(frozen=True, slots=True)
class Footer:
    """The end of a file with checksums."""

    contents: bytes
    digest: str  # SHA-256 in hexadecimal digits


class CheckedFile:
    """A file with checksums, mapped until all of its blocks were found to be as they were written.

    Any number of threads may check.
    """

    def __init__(self, path: Path, contents: Bytes, sums: Sums, eager: int, digest: str) -> None:
        self._path = path
        self._contents: Bytes | None = contents
        self._sums = sums
        self._unchecked = np.ones(len(sums), dtype=bool)
        self._lock = threading.Lock()
        self.size = len(contents)  # bytes
        self.eager = eager  # bytes at the beginning that have to be checked before anything is used
        self.digest = digest  # SHA-256 in hexadecimal digits; tells apart any two contents that were written

    @classmethod
    def open(cls, path: Path) -> "CheckedFile | None":
        """Map a file; None where it has no footer, as files of older versions.

        Raises IndexFormatError for a footer that is damaged, FileNotFoundError where there is no file.
        """
        with path.open("rb") as file:
            file.seek(0, 2)
            size = file.tell()
            if size < _TAIL:
                return None
            everything = np.memmap(file, dtype=np.uint8, mode="r", shape=(size,))
        tail = bytes(everything[-_TAIL:])
        if not tail.endswith(MAGIC):
            return None
        length, eager = _LENGTHS.unpack_from(tail)
        footer = bytes(everything[length:]) if length <= size - _TAIL else b""
        body, digest = footer[: -len(tail) + _LENGTHS.size], tail[_LENGTHS.size : -len(MAGIC)]
        if hashlib.sha256(body).digest() != digest or len(body) != -(-length // BLOCK) * 8 + _LENGTHS.size:
            raise damaged(path)
        sums = np.frombuffer(body[: -_LENGTHS.size], dtype="<u8").astype(np.uint64)
        return cls(path, everything[:length], sums, eager, digest.hex())

    @property
    def done(self) -> bool:
        """Whether all of it has been checked."""
        return self._contents is None

    def check_first(self, count: int) -> None:
        """Raise IndexFormatError unless the first `count` bytes are as they were written."""
        self.check(np.zeros(1, np.int64), np.full(1, count))

    def check(self, starts: NDArray[np.int64], stops: NDArray[np.int64], *, ahead: int = 0) -> None:
        """Raise IndexFormatError unless these ranges of the contents are as they were written.

        Reads each block once, and `ahead` more of those that nobody has asked for yet, so that it comes to an end.
        """
        with self._lock:
            if self._contents is None:
                return
            wanted = _covered(starts, stops, len(self._sums)) & self._unchecked
            wanted[np.flatnonzero(self._unchecked & ~wanted)[:ahead]] = True
            blocks = np.flatnonzero(wanted)
            for run in np.split(blocks, np.flatnonzero(np.diff(blocks) != 1) + 1):
                for start in range(0, len(run), BLOCKS_AT_ONCE):
                    self._check_run(self._contents, run[start : start + BLOCKS_AT_ONCE])
            if not self._unchecked.any():
                self._contents = None

    def _check_run(self, contents: Bytes, run: NDArray[np.int64]) -> None:
        """Check blocks that lie one behind another."""
        first, last = int(run[0]), int(run[-1])
        found = block_sums(contents[first * BLOCK : (last + 1) * BLOCK])
        if not np.array_equal(found, self._sums[first : last + 1]):
            raise damaged(self._path)
        self._unchecked[first : last + 1] = False


def _covered(starts: NDArray[np.int64], stops: NDArray[np.int64], blocks: int) -> NDArray[np.bool_]:
    """Return which blocks hold any byte of some ranges, (blocks,)."""
    steps = np.zeros(blocks + 1, dtype=np.int64)
    used = stops > starts
    np.add.at(steps, starts[used] // BLOCK, 1)
    np.add.at(steps, (stops[used] - 1) // BLOCK + 1, -1)
    covered: NDArray[np.bool_] = np.cumsum(steps)[:-1] > 0
    return covered


def damaged(path: Path) -> IndexFormatError:
    """Return the error of a file whose bytes are not those that were written."""
    return IndexFormatError(f"the bytes of {path} are not those that were written", Remedy.REPAIR)
