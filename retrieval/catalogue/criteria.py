"""Which vector rows satisfy a filter: each condition is answered by one index alone, and NumPy puts them together.

That is what keeps any combination fast: asked for all conditions at once, a database follows one index and looks up
every row of it in the table for the others. Which labels, cameras and folders are meant has been settled before.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Select, Text, and_, false, func, not_, or_, select, type_coerce

from retrieval.catalogue.conditions import DEAD, HAS_VECTOR, below
from retrieval.catalogue.contents import count_vectors
from retrieval.catalogue.dialect import Dialect
from retrieval.catalogue.tables import ContentTable, PhotoTable, RootTable
from retrieval.filters import Near
from retrieval.records import Rows

EARTH_RADIUS_KM = 6371.0088  # the mean radius of WGS 84 (IUGG)

Condition = ColumnElement[bool]
Mask = NDArray[np.bool_]  # (vectors,)


class Folder(NamedTuple):
    """A folder of the archive, with all that is in it."""

    root: str  # name
    relative: str = ""  # "/" between the parts; "" for the whole root

    def holds(self, root: str, relative: str) -> bool:
        """Tell whether a file lies in it."""
        return root == self.root and (not self.relative or relative.startswith(f"{self.relative}/"))


@dataclass(frozen=True, slots=True)
class Criteria:
    """A filter in the catalogue's own terms: whole labels and cameras, folders of roots. None sets no condition."""

    species: frozenset[str] | None = None
    not_species: frozenset[str] = frozenset()
    since: str | None = None  # the beginning of an ISO 8601 time
    until: str | None = None
    near: tuple[Near, ...] = ()
    not_near: tuple[Near, ...] = ()
    under: tuple[Folder, ...] = ()
    not_under: tuple[Folder, ...] = ()
    cameras: frozenset[str] | None = None
    not_cameras: frozenset[str] = frozenset()
    min_probability: float | None = None
    max_probability: float | None = None

    def admits(self, root: str, relative: str) -> bool:
        """Tell whether a file lies in the right folders: of several files with the same bytes, some may not."""
        inside = not self.under or any(folder.holds(root, relative) for folder in self.under)
        return inside and not any(folder.holds(root, relative) for folder in self.not_under)

    def on_photos(self) -> list[Condition]:
        """Return the same as conditions on a photo."""
        wanted = [or_(*(_lies_in(folder) for folder in self.under))] if self.under else []
        return [*wanted, *(_lies_outside(folder) for folder in self.not_under)]


class MatchingRows:
    """Finds vector rows by criteria, in one transaction."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self._total = count_vectors(connection)

    def of(self, criteria: Criteria) -> Rows:
        """Return the rows that a present photo has which satisfies the criteria, ascending: (n,) int64, read-only."""
        kept = ~self._mask([DEAD])
        for alternatives in _wanted(criteria):
            kept &= self._mask(alternatives)
        for alternatives in _unwanted(criteria):
            kept &= ~self._mask(alternatives)
        if criteria.under or criteria.not_under:
            kept &= self._marked(_rows_of_photos(criteria))
        rows = np.flatnonzero(kept)
        rows.flags.writeable = False
        return rows

    def of_species(self, species: Iterable[str]) -> Rows:
        """Return the rows of these labels, dead ones too, ascending: (n,) int64."""
        return np.flatnonzero(self._mask([ContentTable.species.in_(sorted(species))]))

    def _mask(self, alternatives: Iterable[Condition]) -> Mask:
        """Which rows satisfy any of some conditions on contents; a query each, so that each takes its index."""
        return self._marked(select(ContentTable.vector_row).where(HAS_VECTOR, condition) for condition in alternatives)

    def _marked(self, queries: Iterable[Select[int | None]]) -> Mask:
        mask = np.zeros(self._total, dtype=np.bool_)
        for query in queries:
            mask[self._dialect.numbers(self._connection, query)] = True
        return mask


def _wanted(criteria: Criteria) -> Iterator[list[Condition]]:
    if criteria.species is not None or (criteria.min_probability, criteria.max_probability) != (None, None):
        yield [and_(*_names_species(criteria))]
    if (criteria.since, criteria.until) != (None, None):
        yield [and_(*_in_time(criteria.since, criteria.until))]
    if criteria.near:
        yield [condition for circle in criteria.near for condition in _inside(circle)]
    if criteria.cameras is not None:
        yield [ContentTable.camera.in_(sorted(criteria.cameras))]


def _unwanted(criteria: Criteria) -> Iterator[list[Condition]]:
    if criteria.not_species:
        yield [ContentTable.species.in_(sorted(criteria.not_species))]
    if criteria.not_near:
        yield [condition for circle in criteria.not_near for condition in _inside(circle)]
    if criteria.not_cameras:
        yield [ContentTable.camera.in_(sorted(criteria.not_cameras))]


def _names_species(criteria: Criteria) -> Iterator[Condition]:
    """Label and probability stand in one index."""
    species, probability = ContentTable.species, ContentTable.probability
    yield species.is_not(None) if criteria.species is None else species.in_(sorted(criteria.species))
    if criteria.min_probability is not None:
        yield probability >= criteria.min_probability
    if criteria.max_probability is not None:
        yield probability <= criteria.max_probability


def _in_time(since: str | None, until: str | None) -> Iterator[Condition]:
    taken_at = type_coerce(ContentTable.taken_at, Text)
    if since is not None:
        yield taken_at >= since
    if until is not None:
        yield taken_at < until + "~"  # above all that can follow in a time that begins like this


def _inside(circle: Near) -> Iterator[Condition]:
    """Conditions of which one holds inside a circle: a box that an index can answer, and the haversine in it."""
    latitude, longitude = ContentTable.latitude, ContentTable.longitude
    for south, west, north, east in boxes(circle):
        yield and_(latitude.between(south, north), longitude.between(west, east), _haversine(circle))


def _haversine(circle: Near) -> Condition:
    """Whether a photo lies in a circle: sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2) is at most sin²(d/2R)."""
    half_angle = min(circle.km / EARTH_RADIUS_KM / 2, math.pi / 2)
    north = func.sin(func.radians(ContentTable.latitude - circle.latitude) / 2)
    east = func.sin(func.radians(ContentTable.longitude - circle.longitude) / 2)
    cosines = func.cos(func.radians(ContentTable.latitude)) * math.cos(math.radians(circle.latitude))
    return north * north + cosines * east * east <= math.sin(half_angle) ** 2


def boxes(circle: Near) -> list[tuple[float, float, float, float]]:
    """Return (south, west, north, east) of boxes that hold a circle: two across the date line, else one."""
    angle = math.degrees(circle.km / EARTH_RADIUS_KM) + 1e-9  # rounding must leave nobody out
    south, north = circle.latitude - angle, circle.latitude + angle
    if south <= -90 or north >= 90:
        return [(south, -180.0, north, 180.0)]  # a pole is inside, hence every meridian
    sine = math.sin(math.radians(angle)) / math.cos(math.radians(circle.latitude))
    width = math.degrees(math.asin(min(1.0, sine))) + 1e-9
    west, east = circle.longitude - width, circle.longitude + width
    if west < -180:
        return [(south, west + 360, north, 180.0), (south, -180.0, north, east)]
    if east > 180:
        return [(south, west, north, 180.0), (south, -180.0, north, east - 360)]
    return [(south, west, north, east)]


def _rows_of_photos(criteria: Criteria) -> Iterator[Select[int | None]]:
    """Queries for the rows of photos in the folders that are wanted, one for each."""
    query = (
        select(ContentTable.vector_row)
        .join_from(PhotoTable, ContentTable, ContentTable.id == PhotoTable.content_id)
        .where(PhotoTable.state == "indexed", HAS_VECTOR)
        .where(*(_lies_outside(folder) for folder in criteria.not_under))
    )
    if not criteria.under:
        yield query
    for folder in criteria.under:
        yield query.where(_lies_in(folder))


def _lies_in(folder: Folder) -> Condition:
    its_id = select(RootTable.id).where(RootTable.name == folder.root).scalar_subquery()
    return and_(PhotoTable.root_id == its_id, *below(folder.relative))


def _lies_outside(folder: Folder) -> Condition:
    """Of a root that was never indexed, which has no id, `_lies_in` is unknown rather than false."""
    return not_(func.coalesce(_lies_in(folder), false()))
