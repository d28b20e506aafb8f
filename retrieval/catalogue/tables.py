"""The catalogue's tables as typed SQLAlchemy classes; `migrations` creates them."""

import json
import os
import sys
from datetime import datetime

from sqlalchemy import Dialect, ForeignKey, LargeBinary, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from retrieval.records import Box

FILE_NAMES = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()  # os.fsdecode's, in a third of its time


class PathText(TypeDecorator[str]):
    """A path as the file system's own bytes: names need not be valid UTF-8."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """Encode a path."""
        return None if value is None else os.fsencode(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        """Decode a path; bytes that are not UTF-8 become surrogate escapes."""
        return None if value is None else value.decode(*FILE_NAMES)


class LocalTime(TypeDecorator[datetime]):
    """A time as ISO 8601 text: it sorts by the camera's local time and keeps an unknown UTC offset unknown."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Write with milliseconds: bursts differ by less than a second."""
        return None if value is None else value.isoformat(timespec="milliseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Read back, aware only if an offset was written."""
        return None if value is None else datetime.fromisoformat(value)


class Boxes(TypeDecorator[tuple[Box, ...]]):
    """Boxes as compact JSON; empty text for none."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[Box, ...] | None, dialect: Dialect) -> str | None:
        """Write whole numbers."""
        if value is None:
            return None
        return json.dumps([[int(side) for side in box] for box in value], separators=(",", ":")) if value else ""

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[Box, ...] | None:
        """Read back."""
        if value is None:
            return None
        return tuple((x, y, width, height) for x, y, width, height in json.loads(value)) if value else ()


class Base(DeclarativeBase):
    """Registry of the tables below."""


class RootTable(Base):
    """An archive folder; where it is mounted stands in index.json."""

    __tablename__ = "root"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)


class ContentTable(Base):
    """What is true of a file's bytes, wherever copies of it lie."""

    __tablename__ = "content"
    id: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)  # SHA-256
    vector_row: Mapped[int | None] = mapped_column(unique=True)  # of vectors.f16; null where the photo failed
    norm: Mapped[float | None]
    species: Mapped[str | None] = mapped_column(Text)  # the most probable class
    probability: Mapped[float | None]
    live: Mapped[bool]  # a photo that is present has this content; dead vectors are masked in search
    format: Mapped[str | None] = mapped_column(Text)
    width: Mapped[int | None]  # pixels, upright
    height: Mapped[int | None]
    taken_at: Mapped[datetime | None] = mapped_column(LocalTime)
    latitude: Mapped[float | None]  # degrees, WGS 84
    longitude: Mapped[float | None]
    camera: Mapped[str | None] = mapped_column(Text)
    lens: Mapped[str | None] = mapped_column(Text)
    failure_kind: Mapped[str | None] = mapped_column(Text)
    failure: Mapped[str | None] = mapped_column(Text)


class PhotoTable(Base):
    """One file of the archive, now or once."""

    __tablename__ = "photo"
    id: Mapped[int] = mapped_column(primary_key=True)
    root_id: Mapped[int] = mapped_column(ForeignKey("root.id"))
    path: Mapped[str] = mapped_column(PathText)  # relative to the root, "/" between the parts
    size: Mapped[int]  # bytes
    mtime_ns: Mapped[int]
    content_id: Mapped[int | None] = mapped_column(ForeignKey("content.id"))  # null where no byte could be read
    state: Mapped[str] = mapped_column(Text)  # indexed, failed, gone
    failure_kind: Mapped[str | None] = mapped_column(Text)  # of the file; what is wrong with its bytes is content's
    failure: Mapped[str | None] = mapped_column(Text)
    gone_at: Mapped[str | None] = mapped_column(Text)  # ISO 8601, UTC


class PreviewTable(Base):
    """What a content looks like."""

    __tablename__ = "preview"
    content_id: Mapped[int] = mapped_column(ForeignKey("content.id"), primary_key=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary)  # perceptual, 8 bytes
    thumbnail: Mapped[bytes] = mapped_column(LargeBinary)  # JPEG


class OutdatedHashTable(Base):
    """A range of contents whose perceptual hashes are of older rules; see decode.preview. No row: all are up to date.

    A range, since a column of the preview would stand behind its thumbnail: every look at it would read all of that.
    """

    __tablename__ = "outdated_hash"
    first_id: Mapped[int] = mapped_column(primary_key=True)  # of contents
    last_id: Mapped[int]  # included
    rules: Mapped[int]


class SketchTable(Base):
    """A content's local features summed up in one vector."""

    __tablename__ = "sketch"
    content_id: Mapped[int] = mapped_column(ForeignKey("content.id"), primary_key=True)
    rules: Mapped[int]
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class ComparedTable(Base):
    """A content that was compared with all others that there were."""

    __tablename__ = "compared"
    content_id: Mapped[int] = mapped_column(ForeignKey("content.id"), primary_key=True)
    rules: Mapped[int]
    family_complete: Mapped[bool]  # also with everything that its matches match, directly or not


class MatchTable(Base):
    """Two contents that show the same picture, or the same scene."""

    __tablename__ = "picture_match"
    first_id: Mapped[int] = mapped_column(ForeignKey("content.id"), primary_key=True)
    second_id: Mapped[int] = mapped_column(ForeignKey("content.id"), primary_key=True, index=True)
    kind: Mapped[str] = mapped_column(Text)  # same-pixels, near, altered, overlap, same-scene, raw+jpeg
    cosine: Mapped[float]  # of the embeddings
    score: Mapped[float]
    reason: Mapped[str] = mapped_column(Text)
    first_lacks: Mapped[str] = mapped_column(Text)  # in words, what only the second has; empty if nothing
    second_lacks: Mapped[str] = mapped_column(Text)
    places: Mapped[tuple[Box, ...]] = mapped_column(Boxes)  # of the first, where the two differ


class IgnoredPairTable(Base):
    """Two contents, by SHA-256, that a person said are not duplicates; the lower one first."""

    __tablename__ = "ignored_pair"
    first: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    second: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)


class ListedTable(Base):
    """The run's own listing of the archive: temporary, private to the writer's connection."""

    __tablename__ = "listed"
    __table_args__ = {"prefixes": ["TEMPORARY"]}  # noqa: RUF012 - SQLAlchemy's own spelling
    id: Mapped[int] = mapped_column(primary_key=True)
    root_id: Mapped[int]
    path: Mapped[str] = mapped_column(PathText)
    size: Mapped[int]
    mtime_ns: Mapped[int]
    photo_id: Mapped[int | None]  # the photo known at this path
    pending: Mapped[bool]  # to be read in this run
