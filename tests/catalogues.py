"""Catalogues drawn at random, as lists of what is in them and as databases; and what tests of the catalogue share."""

import math
import random
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import event

from retrieval import Index
from retrieval.catalogue.criteria import EARTH_RADIUS_KM, Criteria, Folder
from retrieval.catalogue.database import Database
from retrieval.catalogue.matches import Match
from retrieval.catalogue.photos import Photos
from retrieval.filters import Near
from retrieval.store import Store

SPECIES = (None, "Black kite", "Black-winged kite", "Reed warbler", "Cetti's warbler", "Grey heron")
CAMERAS = (None, "Canon EOS R5", "Canon EOS 7D", "NIKON Z 9")
ROOTS = ("birds", "disk")
FOLDERS = ("", "2020", "2020/05", "2021", "2021 spring", "2021/Müll", "20")


@dataclass(frozen=True)
class Entry:
    """One photo file with its content."""

    row: int
    root: str
    path: str
    state: str
    species: str | None
    probability: float | None
    taken_at: datetime | None
    latitude: float | None
    longitude: float | None
    camera: str | None


def sql(folder: Path, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Execute a statement in the catalogue of an index folder, and commit."""
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as connection, connection:
        return connection.execute(statement, values).fetchall()


def draw(count: int, seed: int) -> list[Entry]:
    """Draw contents, each in no, one or several files; some files are gone."""
    chance = random.Random(seed)
    entries = []
    for row in range(count):
        species = chance.choice(SPECIES)
        facts = {
            "species": species,
            "probability": None if species is None else round(chance.random(), 2),
            "taken_at": _time(chance),
            "camera": chance.choice(CAMERAS),
            **dict(zip(("latitude", "longitude"), _place(chance), strict=True)),
        }
        for copy in range(chance.choice((1, 1, 1, 2, 3))):
            folder = chance.choice(FOLDERS)
            path = f"{folder}/{row}-{copy}.jpg" if folder else f"{row}-{copy}.jpg"
            state = chance.choice(("indexed",) * 5 + ("gone",))
            entries.append(Entry(row, chance.choice(ROOTS), path, state, **facts))
    return entries


def _time(chance: random.Random) -> datetime | None:
    if chance.random() < 0.2:
        return None
    zone = chance.choice((None, timezone(timedelta(hours=4)), timezone(timedelta(hours=-11))))
    moments = chance.choice((1, 60, 86_400, 86_400 * 365 * 3))  # many near the ends of units
    start = chance.choice((datetime(2020, 1, 1), datetime(2020, 12, 31, 23, 59, 59), datetime(2021, 5, 31, 23, 59)))
    return start.replace(tzinfo=zone) + timedelta(
        seconds=chance.randrange(moments + 1), milliseconds=chance.randrange(1000)
    )


def _place(chance: random.Random) -> tuple[float, float] | tuple[None, None]:
    latitude, longitude = chance.choice(
        ((None, None), (25.2, 55.3), (0.0, 180.0), (10.0, -179.9), (89.9, 0.0), (-90.0, 9.0))
    )
    if latitude is None or longitude is None:
        return None, None
    latitude = min(90.0, max(-90.0, latitude + chance.gauss(0, 0.3)))
    return latitude, (longitude + chance.gauss(0, 0.5) + 180) % 360 - 180


def write(path: Path, entries: list[Entry]) -> Database:
    """Write a catalogue of these photos, by the columns' own conversions."""
    database = Database(path)
    database.migrate()
    live = {entry.row for entry in entries if entry.state == "indexed"}
    contents = {entry.row: entry for entry in entries}
    with database.transaction() as connection:
        for number, root in enumerate(ROOTS, start=1):
            connection.exec_driver_sql("INSERT INTO root VALUES (?, ?)", (number, root))
        for row, entry in contents.items():
            taken_at = entry.taken_at and entry.taken_at.isoformat(timespec="milliseconds")
            facts = (entry.species, entry.probability, taken_at, entry.latitude, entry.longitude, entry.camera)
            connection.exec_driver_sql(
                "INSERT INTO content (id, hash, vector_row, norm, live, species, probability, taken_at, latitude,"
                " longitude, camera) VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?)",
                (row + 100, row.to_bytes(32), row, row in live, *facts),
            )
        for entry in entries:
            gone_at = None if entry.state == "indexed" else "2022-01-01"
            connection.exec_driver_sql(
                "INSERT INTO photo (root_id, path, size, mtime_ns, content_id, state, gone_at)"
                " VALUES (?, ?, 1, 1, ?, ?, ?)",
                (ROOTS.index(entry.root) + 1, entry.path.encode(), entry.row + 100, entry.state, gone_at),
            )
    return database


def satisfies(entry: Entry, criteria: Criteria) -> bool:
    """The meaning of the criteria, one photo at a time."""
    date = entry.taken_at and entry.taken_at.replace(tzinfo=None).isoformat(timespec="milliseconds")
    since, until, low, high = criteria.since, criteria.until, criteria.min_probability, criteria.max_probability
    return all(
        (
            entry.state == "indexed",
            criteria.species is None or entry.species in criteria.species - {None},
            entry.species not in criteria.not_species,
            since is None or (date is not None and date[: len(since)] >= since),
            until is None or (date is not None and date[: len(until)] <= until),
            not criteria.near or any(is_in(entry, circle) for circle in criteria.near),
            not any(is_in(entry, circle) for circle in criteria.not_near),
            criteria.cameras is None or entry.camera in criteria.cameras,
            entry.camera not in criteria.not_cameras,
            not criteria.under or any(lies_in(entry, folder) for folder in criteria.under),
            not any(lies_in(entry, folder) for folder in criteria.not_under),
            low is None or (entry.probability is not None and entry.probability >= low),
            high is None or (entry.probability is not None and entry.probability <= high),
        )
    )


def is_in(entry: Entry, circle: Near) -> bool:
    return entry.latitude is not None and distance_km(entry.latitude, entry.longitude, *circle[:2]) <= circle.km


def distance_km(*degrees: float) -> float:
    """By the angle between unit vectors, where the catalogue takes the haversine."""
    latitude, longitude, other_latitude, other_longitude = map(math.radians, degrees)
    one, other = unit(latitude, longitude), unit(other_latitude, other_longitude)
    return float(2 * EARTH_RADIUS_KM * np.arctan2(np.linalg.norm(one - other), np.linalg.norm(one + other)))


def unit(latitude: float, longitude: float) -> np.ndarray:
    flat = math.cos(latitude)
    return np.array([flat * math.cos(longitude), flat * math.sin(longitude), math.sin(latitude)])


def lies_in(entry: Entry, folder: Folder) -> bool:
    folders = entry.path.split("/")[:-1]
    wanted = folder.relative.split("/") if folder.relative else []
    return entry.root == folder.root and folders[: len(wanted)] == wanted


def explain(photos: Photos, call: Callable[[], Any]) -> list[str]:
    """How SQLite goes about each statement of a call."""
    engine, seen = photos._database._connections.engine, []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        plans = [
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            for statement, parameters in seen
            if statement.startswith(("SELECT", "WITH"))
        ]
    return [line[3] for plan in plans for line in plan]


def reindex(index: Index, *gone: Path, back: Iterable[Path] = ()) -> None:
    """Take photos away, bring others back, and index that."""
    for path in gone:
        path.rename(path.with_name(path.name + ".away"))
    for path in back:
        path.with_name(path.name + ".away").rename(path)
    index.add()


def contents(store: Store) -> dict[str, int]:
    """Return the id of each photo's content, by path."""
    found = store.catalogue.copies.of(store.catalogue.contents.live()[0].tolist())
    return {copy.relative: copy.content for copy in found}


def match(one: int, other: int, reason: str = "for a reason") -> Match:
    """Make a match of two contents."""
    return Match(min(one, other), max(one, other), "near", 0.5, 0.9, reason, "", "", ())


def sketches(ids: Iterable[int], width: int = 8) -> dict[int, np.ndarray]:
    """Make a sketch for each content."""
    return {int(content): np.full(width, int(content) % 100, np.int8) for content in ids}
