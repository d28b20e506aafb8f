"""A plan of removals as plain records: groups of files, each around the file that stays."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from retrieval.records import Box


class Kind(StrEnum):
    """Why files are in one group."""

    EXACT = "exact"  # the same bytes
    SAME_PIXELS = "same-pixels"  # the same picture to the last bit, in another container or with other metadata
    NEAR = "near"  # one shot, edited, resized or recompressed: the keeper has all that the member has
    ALTERED = "altered"  # one shot; the member shows something that the keeper lacks, such as a watermark
    OVERLAP = "overlap"  # parts of one scene or shot, each with something of its own
    SAME_SCENE = "same-scene"  # two shots of one scene
    BURST = "burst"  # taken by one camera moments apart
    RAW_JPEG = "raw+jpeg"  # one shot in two files


LOSSLESS = (Kind.EXACT, Kind.SAME_PIXELS, Kind.NEAR)  # the keeper has all that a member has
REMOVABLE = (*LOSSLESS, Kind.ALTERED)  # files of the other kinds are never removed


class Action(StrEnum):
    """What to do with a file."""

    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A photo file as it was when the plan was made. A run skips it if it has changed since."""

    path: Path  # absolute
    size: int  # bytes
    mtime_ns: int
    sha256: str  # hexadecimal
    format: str | None = None
    width: int | None = None  # pixels, upright
    height: int | None = None
    taken_at: str | None = None  # ISO 8601
    protected: bool = False  # in a reference folder: never touched

    @property
    def pixels(self) -> int:
        """How many pixels it has; 0 where that is unknown."""
        return (self.width or 0) * (self.height or 0)

    @property
    def changed_at(self) -> datetime:
        """When it was last changed, in UTC: the same on every machine."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.mtime_ns // 1000)


@dataclass(frozen=True, slots=True)
class Member:
    """A file that matches the keeper of its group directly."""

    file: PlannedFile
    action: Action
    reason: str  # how it matches: "crop 12 %, mirrored, 84 inliers, correlation 0.97"; empty if nobody compared them
    cosine: float | None = None  # of the embeddings, -1 to 1
    score: float = 1.0  # how certain the match is, 0 to 1; 1 for exact and same-pixels
    along: tuple[Path, ...] = ()  # the rest of its shot, which moves along: its RAW or JPEG twin and sidecars
    # These inform. Journals hold a digest of the other fields, by which an interrupted run is resumed.
    would_lose: str = field(default="", repr=False)  # what it has and its keeper lacks: "colour", "2 pages"
    places: tuple[Box, ...] = field(default=(), repr=False)  # in its own frame, where it and its keeper differ
    keeper_places: tuple[Box, ...] = field(default=(), repr=False)  # the same in its keeper's frame


@dataclass(frozen=True, slots=True)
class Group:
    """One file that stays, and the files that match it."""

    number: int  # from 1, within the plan
    kind: Kind
    keeper: PlannedFile
    why: str  # the keeper stays: "RAW", "24.0 megapixels against 2.1 megapixels", ...
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All groups, ordered by kind and then by the keeper's path, and what they were found with."""

    created_at: str  # ISO 8601
    index: Path
    model: str
    groups: tuple[Group, ...]
