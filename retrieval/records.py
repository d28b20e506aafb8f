"""Frozen dataclasses that cross module borders. Plain values only: no handles, no lazy fields, no torch."""

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import FailureKind

Vectors = NDArray[np.float32]  # (n, d), unit length
Rows = NDArray[np.int64]  # (n,), row numbers of vectors.f16
Box = tuple[int, int, int, int]  # x, y, width, height in thousandths of a picture's upright frame
PathInput = str | os.PathLike[str]  # what every function takes that a caller gives a path to


@dataclass(frozen=True, slots=True)
class Facts:
    """What a photo file says of itself, apart from its pixels."""

    format: str  # the decoder's name for it: "JPEG", "HEIF", "RAW", ...
    width: int  # pixels of the full-size upright photo
    height: int
    taken_at: datetime | None = None  # aware where the file knows its UTC offset, else the camera's local time
    latitude: float | None = None  # degrees, WGS 84
    longitude: float | None = None
    camera: str | None = None  # maker and model, each once
    lens: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a picture looks like, kept small."""

    hash: bytes  # 8 bytes: perceptual, not cryptographic
    thumbnail: bytes  # JPEG, upright


@dataclass(frozen=True, slots=True)
class Prediction:
    """One class of the network's head, with its softmax probability."""

    species: str
    probability: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A file or folder that could not be used, and why."""

    path: Path
    kind: FailureKind
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """What one network pass says of one photo."""

    vector: NDArray[np.float32]  # (d,), unit length: what search compares
    norm: float  # vector x norm is the network's own feature: every logit follows from it
    predictions: tuple[Prediction, ...]  # most probable first
    recorded: str | None = None  # the species that the catalogue has for it, where it came from there


@dataclass(frozen=True, slots=True)
class Hit:
    """One photo of an answer."""

    rank: int  # from 1
    score: float  # cosine similarity to the query, -1 to 1
    path: Path  # absolute
    species: str | None
    probability: float | None
    taken_at: datetime | None
    hidden: int | None = None  # near-identical files that this one stands for; None where none were looked for


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one query image: its species and its nearest photos, or why there is none."""

    query: str  # as the caller named it
    model: str
    predictions: tuple[Prediction, ...] = ()
    hits: tuple[Hit, ...] = ()
    failure: Failure | None = None
    label_kind: str = "species"  # "general": the model's labels identify no species


@dataclass(frozen=True, slots=True)
class Report:
    """What one run over the archive did. Counts are files, but `embedded` counts network passes."""

    added: int = 0  # new files now indexed, copies included
    changed: int = 0  # known files with new content
    unchanged: int = 0
    moved: int = 0  # found again under another path
    returned: int = 0  # were gone, are back
    gone: int = 0  # were there at the last run, no longer are
    failed: int = 0  # photos that could not be read, now or in an earlier run
    ignored: int = 0  # other files: sidecars, videos, documents
    links: int = 0  # symbolic links that were not followed
    embedded: int = 0  # photos put through the network
    elapsed_s: float = 0.0
    failures: tuple[Failure, ...] = field(default=(), repr=False)  # the first of this run, folders included


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a run has to read."""

    root: str  # name of the archive folder it lies in
    relative: str  # to that root, "/" between the parts
    size: int  # bytes, as listed
    mtime_ns: int
    photo_id: int | None = None  # the catalogue's, where a photo is known at this path


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of reading one file: an embedding, a failure, or neither where the catalogue knows these bytes."""

    source: Source
    path: Path  # absolute
    size: int  # bytes, at the moment of reading
    mtime_ns: int
    content_hash: bytes | None  # SHA-256; None where the file could not be read
    facts: Facts | None = None
    preview: Preview | None = None
    embedding: Embedding | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class StoredVector:
    """The vector that the catalogue has for some content."""

    row: int  # of vectors.f16
    norm: float
    species: str | None = None  # the most probable class, when it was indexed


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo that is present and has a vector."""

    row: int
    root: str
    relative: str
    species: str | None
    probability: float | None
    taken_at: datetime | None


@dataclass(frozen=True, slots=True)
class ListedPhoto:
    """A photo of the archive, with what is known of it without looking at others."""

    path: Path  # absolute
    species: str | None
    probability: float | None
    taken_at: datetime | None
    camera: str | None
    latitude: float | None  # degrees, WGS 84
    longitude: float | None
    width: int | None  # pixels, upright
    height: int | None
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class ListedSpecies:
    """What an archive has of one species."""

    species: str
    photos: int  # files
    days: int  # on which there are photos
    first: datetime | None  # when the first dated photo was taken
    last: datetime | None
    probability: float  # of the most certain photo
    path: Path  # of that photo, absolute


@dataclass(frozen=True, slots=True)
class Counts:
    """How many photos the catalogue has, by state, and how many vectors."""

    indexed: int
    failed: int
    gone: int
    vectors: int  # rows of vectors.f16
    dead: int  # of them, those that no present photo has


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands; given to the caller after every batch."""

    phase: str  # "scanning", "sampling", "calibrating", "embedding", "building", "asking", ...
    done: int
    total: int | None  # photos to read in this run; None while scanning
    failed: int = 0
    path: Path | None = None
