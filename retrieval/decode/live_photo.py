"""Tells which video is the moving part of a Live Photo, and which only has the same name.

The video's metadata are read, never its pictures: QuickTime's atoms, as Apple's QuickTime File Format Specification
describes them, are the boxes of ISO/IEC 14496-12. Nothing here raises on broken bytes.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

from retrieval.decode.exif import clean_text
from retrieval.decode.shot_facts import ShotFacts, read_shot_facts
from retrieval.decode.signatures import boxes

_IDENTIFIER = b"com.apple.quicktime.content.identifier"
_EPOCH = datetime(1904, 1, 1, tzinfo=UTC)  # where QuickTime's seconds start
_MAX_MOVIE_BYTES = 64_000_000  # of the atom that describes a video: metadata, not pictures
_LARGEST = 1 << 62  # bytes of an atom: more makes no sense, and no file can be read there
_SAME = timedelta(seconds=1)  # the photo's time may have been rounded
_QUARTER, _FURTHEST = timedelta(minutes=15), timedelta(hours=14)  # offsets of clocks from UTC


class Movie(NamedTuple):
    """What a video says of itself."""

    identifier: str | None = None  # the same as in the photo of a Live Photo
    created_at: datetime | None = None  # in UTC; some cameras write their local time as if it were


def is_moving_part(photo: Path, video: Path) -> bool:
    """Tell whether a video shows the moment that a photo was taken at, by the content identifier of Live Photos.

    Where neither has one, the times must be the same to the second, but for an offset from UTC. A video that says
    nothing is none, nor is one that cannot be read.
    """
    try:
        movie = read_movie(video)
        if movie == Movie():
            return False
        facts = read_shot_facts(photo.read_bytes(), photo.name)
    except OSError:
        return False
    identifiers = {value for kind, value in facts.identifiers if kind == "content identifier"}
    if identifiers or movie.identifier:
        return movie.identifier in identifiers
    return _same_second(facts, movie)


def read_movie(path: Path) -> Movie:
    """Read a QuickTime or MP4 file; empty for other and for broken files. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        data = _movie_atom(file)
    parts = {kind: data[start:stop] for kind, start, stop in boxes(data, 0, len(data))}
    return Movie(_identifier(parts.get(b"meta", b"")), _created_at(parts.get(b"mvhd", b"")))


def _movie_atom(file: BinaryIO) -> bytes:
    """Return the body of `moov`, which may stand behind gigabytes of pictures."""
    while len(head := file.read(16)) >= 8:
        size, kind = struct.unpack_from(">I4s", head)
        header = 8
        if size == 1 and len(head) == 16:
            size, header = struct.unpack_from(">Q", head, 8)[0], 16
        if size and not header <= size < _LARGEST:
            break
        file.seek(header - len(head), 1)
        if kind == b"moov":
            return file.read(min(size - header, _MAX_MOVIE_BYTES) if size else _MAX_MOVIE_BYTES)
        if not size:  # the last atom of the file
            break
        file.seek(size - header, 1)
    return b""


def _identifier(meta: bytes) -> str | None:
    """Find the content identifier among the metadata items, which name their keys by number."""
    start = 4 if meta[:4] == b"\0\0\0\0" else 0  # MP4 has a version here, QuickTime has none
    parts = {kind: meta[at:stop] for kind, at, stop in boxes(meta, start, len(meta))}
    keys = parts.get(b"keys", b"")
    names = [keys[at:stop] for _, at, stop in boxes(keys, 8, len(keys))]
    if _IDENTIFIER not in names:
        return None
    number = names.index(_IDENTIFIER) + 1
    return next(_values(parts.get(b"ilst", b""), number), None)


def _values(items: bytes, number: int) -> Iterator[str]:
    for kind, start, stop in boxes(items, 0, len(items)):
        if int.from_bytes(kind, "big") == number:
            for inner, at, end in boxes(items, start, stop):
                if inner == b"data" and (text := clean_text(items[at + 8 : end])):  # behind type and locale
                    yield text


def _created_at(header: bytes) -> datetime | None:
    """Return the time of a movie header, whose version 1 has 64 bits for it; None for the zero that means unknown."""
    try:
        (seconds,) = struct.unpack_from(">Q" if header[:1] == b"\1" else ">I", header, 4)
        return _EPOCH + timedelta(seconds=seconds) if seconds else None
    except (struct.error, OverflowError):
        return None


def _same_second(facts: ShotFacts, movie: Movie) -> bool:
    if facts.taken_at is None or movie.created_at is None:
        return False
    taken_at = facts.taken_at
    if taken_at.tzinfo is not None and abs(taken_at - movie.created_at) <= _SAME:
        return True
    apart = taken_at.replace(tzinfo=UTC) - movie.created_at  # as if the photo's clock showed UTC
    if taken_at.tzinfo is not None:
        return abs(apart) <= _SAME
    offset = round(apart / _QUARTER) * _QUARTER
    return abs(offset) <= _FURTHEST and abs(apart - offset) <= _SAME
