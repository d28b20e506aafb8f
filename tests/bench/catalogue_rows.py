"""Index folders of any size without a photo: catalogue rows from a seed, as many as there are vectors.

The archive is one that grew: sessions of a few hundred frames, a folder a day, at one place, with one camera and few
species, in bursts; some files lie there twice, some failed, some are gone. Nothing of it is on disk. Same seed, same
rows. `fill` also writes index.json and a random classifier, so that the folder opens as any other index.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.catalogue.catalogue import Catalogue
from retrieval.manifest import Manifest, Model
from retrieval.models.head import Head

CHUNK = 50_000  # rows made and inserted together
CAMERAS = ("NIKON D500", "NIKON Z 9", "Canon EOS R5", "Canon EOS 7D Mark II", "SONY ILCE-1", "OM-1", "Apple iPhone 13")
SPECIES = 735
ROOT = "archive"
SESSION = (50, 400)  # frames
EPOCH = datetime(2004, 1, 1)

Row = tuple[Any, ...]
Species = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Shape:
    """What an archive looks like, apart from its size. Shares are of all rows."""

    copies: float = 0.02  # contents that lie in a second file
    dead: float = 0.0  # contents whose photos are gone
    failed: float = 0.002  # further files that could not be read
    previews: bool = True  # perceptual hashes, with a thumbnail of no bytes


@dataclass(frozen=True, slots=True)
class Filled:
    """An index folder that was made, and where its photos would lie."""

    folder: Path
    root: Path
    labels: tuple[str, ...] = field(repr=False)


def fill(
    folder: Path,
    rows: int,
    seed: int = 0,
    *,
    dimension: int = 768,
    root: Path | None = None,
    species: Species | None = None,
    shape: Shape = Shape(),
) -> Filled:
    """Make a valid index of `rows` contents in `folder`; vectors.f16 may lie there already, else it is made of zeros.

    `species` gives the species' number of each row (below SPECIES), else sessions choose. `root` is where the archive
    would be mounted; it need not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root = root or folder / "no-photos"
    labels = tuple(f"species {number:03}" for number in range(SPECIES))
    catalogue = Catalogue(folder / "catalogue.sqlite")
    catalogue.migrate()
    catalogue.close()
    _insert(folder / "catalogue.sqlite", rows, seed, labels, species, shape)
    vectors = folder / "vectors.f16"
    if not vectors.exists():
        vectors.touch()
        os.truncate(vectors, rows * dimension * 2)
    digest = hashlib.sha256(f"made from seed {seed}".encode()).hexdigest()
    draw = np.random.default_rng(seed)
    weight = draw.standard_normal((SPECIES, dimension), dtype=np.float32)
    Head(weight, np.zeros(SPECIES, np.float32), labels).save(folder / "head.safetensors", weights_sha256=digest)
    model = Model("made-up", str(folder / "no-weights"), digest, 32, 32, dimension, SPECIES, "fp32")
    Manifest(model, {ROOT: root}).write(folder)
    return Filled(folder, root, labels)


def _insert(path: Path, rows: int, seed: int, labels: tuple[str, ...], species: Species | None, shape: Shape) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = OFF", "cache_size = -1000000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    connection.execute("INSERT INTO root (id, name) VALUES (1, ?)", (ROOT,))
    for contents, photos, previews in _chunks(rows, seed, labels, species, shape):
        marks = ", ".join("?" * 14)
        connection.executemany(
            "INSERT INTO content (id, hash, vector_row, norm, species, probability, live, format, width, height, "
            f"taken_at, latitude, longitude, camera) VALUES ({marks})",
            contents,
        )
        connection.executemany(
            "INSERT INTO photo (root_id, path, size, mtime_ns, content_id, state, failure_kind, failure, gone_at) "
            "VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
            photos,
        )
        connection.executemany("INSERT INTO preview VALUES (?, ?, x'')", previews)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _chunks(
    rows: int, seed: int, labels: tuple[str, ...], species: Species | None, shape: Shape
) -> Iterator[tuple[list[Row], list[Row], list[Row]]]:
    """Contents, photos and looks of some rows at a time."""
    draw = np.random.default_rng([seed, 1])
    sessions = _sessions(np.random.default_rng([seed, 2]), rows)
    for first in range(0, rows, CHUNK):
        count = min(CHUNK, rows - first)
        ours = sessions[first : first + count]
        if species is not None:
            ours["species"] = species[first : first + count]
        yield _chunk(draw, first, ours, labels, shape)


def _sessions(draw: np.random.Generator, rows: int) -> NDArray[np.void]:
    """Each row's session, its day, time of day, place, camera and species."""
    lengths = draw.integers(*SESSION, size=max(1, 2 * rows // SESSION[0]))
    ends = np.cumsum(lengths)
    session = np.searchsorted(ends, np.arange(rows), side="right")
    count = int(session[-1]) + 1 if rows else 0
    sites = np.column_stack([draw.uniform(-60, 70, 200), draw.uniform(-180, 180, 200)])
    site = draw.zipf(1.5, count) % len(sites)
    made = np.zeros(
        rows,
        [("number", "i4"), ("day", "i4"), ("second", "f8"), ("lat", "f8"), ("lon", "f8"), ("camera", "i1"),
         ("species", "i2")],
    )  # fmt: skip
    day = np.sort(draw.integers(0, 7_800, count))
    camera = np.minimum(day * len(CAMERAS) // 9_000 + draw.integers(0, 2, count), len(CAMERAS) - 1)
    made["number"] = np.arange(rows) - np.concatenate([[0], ends])[session]
    made["day"], made["camera"] = day[session], camera[session]
    step = np.where(draw.random(rows) < 0.7, 0.12, 40.0)  # bursts, and the time between them
    begin = draw.uniform(4 * 3_600, 15 * 3_600, count)
    passed = np.cumsum(step)
    first = np.concatenate([[0], ends])[session]
    made["second"] = np.minimum(begin[session] + passed - passed[np.minimum(first, rows - 1)], 86_399)
    made["lat"] = sites[site][session, 0] + draw.normal(0, 0.01, rows)
    made["lon"] = sites[site][session, 1] + draw.normal(0, 0.01, rows)
    kinds = draw.zipf(1.3, (count, 4)) % SPECIES
    made["species"] = kinds[session, draw.integers(0, 4, rows)]
    return made


def _chunk(
    draw: np.random.Generator, first: int, sessions: NDArray[np.void], labels: tuple[str, ...], shape: Shape
) -> tuple[list[Row], list[Row], list[Row]]:
    count = len(sessions)
    digests, marks = draw.bytes(32 * count), draw.bytes(8 * count)
    chance, probability = draw.random((3, count)).tolist(), draw.beta(4, 1, count).tolist()
    contents: list[Row] = []
    photos: list[Row] = []
    previews: list[Row] = []
    for at, one in enumerate(sessions.tolist()):
        _, day, second, latitude, longitude, camera, kind = one
        row = first + at
        taken = EPOCH + timedelta(days=day, seconds=second)
        live = chance[0][at] >= shape.dead
        contents.append(
            (row + 1, digests[32 * at : 32 * at + 32], row, 30 + probability[at], labels[kind], probability[at],
             live, "JPEG", 6000, 4000, taken.isoformat(timespec="milliseconds"), latitude, longitude, CAMERAS[camera])
        )  # fmt: skip
        path = f"{taken:%Y}/{taken:%Y-%m-%d}-{camera}/DSC_{row:07}.jpg".encode()
        state = ("indexed", None, None, None) if live else ("gone", None, None, "2026-01-01T00:00:00+00:00")
        facts = (4_000_000 + row, 10**18 + row, row + 1)
        photos.append((path, *facts, *state))
        if live and chance[1][at] < shape.copies:
            photos.append((b"backup/" + path, *facts, *state))
        if chance[2][at] < shape.failed:
            photos.append((path + b".bad", row, 10**18, None, "failed", "unreadable", "cannot be read", None))
        if shape.previews:
            previews.append((row + 1, marks[8 * at : 8 * at + 8]))
    return contents, photos, previews
