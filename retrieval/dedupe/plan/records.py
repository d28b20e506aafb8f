"""What `find` proposes and `apply` carries out: groups of files around the one that stays. Plain records."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """Why files are in one group. The first three can be offered for removal; the others never are."""

    EXACT = "exact"  # the same bytes
    SAME_PIXELS = "same-pixels"  # the same picture to the last pixel, in other bytes: metadata, container
    NEAR = "near"  # the same picture, edited, resized or recompressed
    BURST = "burst"  # one camera, moments apart
    RAW_JPEG = "raw+jpeg"  # one shot, two files


REMOVABLE = (Kind.EXACT, Kind.SAME_PIXELS, Kind.NEAR)


class Action(StrEnum):
    """What is to become of a file."""

    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A photo file as it was when the plan was made: `apply` acts only if it still is."""

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
    """A file that matches its group's keeper directly."""

    file: PlannedFile
    action: Action
    reason: str  # how it is known to match, in words and numbers: "crop 12 %, mirrored, 84 inliers, correlation 0.97"
    cosine: float | None = None  # of the embeddings, -1 to 1
    score: float = 1.0  # how surely it is the same picture, 0 to 1; 1 for exact and same-pixels
    along: tuple[Path, ...] = ()  # the rest of its shot: RAW or JPEG twin and sidecars, which go wherever it goes


@dataclass(frozen=True, slots=True)
class Group:
    """A star: one file that stays, and those that match it."""

    number: int  # from 1, within the plan
    kind: Kind
    keeper: PlannedFile
    why: str  # the keeper was chosen: "RAW", "more pixels: 24.0 against 2.1 megapixels", ...
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All groups, by kind and then by the keeper's path, and where they come from."""

    created_at: str  # ISO 8601
    index: Path
    model: str
    groups: tuple[Group, ...]
