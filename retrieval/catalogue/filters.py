"""Which vector rows satisfy a filter: each condition is answered by one index alone, and NumPy puts them together.

That is what keeps any combination fast: asked for all conditions at once, SQLite would follow one index and look up
every row of it in the table for the others. Which labels, cameras and folders are meant has been settled before.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Select, Text, and_, false, func, not_, or_, select, type_coerce

from retrieval.catalogue.reader import DEAD, below, count_vectors, unsorted_numbers
from retrieval.catalogue.tables import ContentTable, PhotoTable, RootTable
from retrieval.filters import Near
from retrieval.records import Rows

EARTH_RADIUS_KM = 6371.0088  # the mean radius of WGS 84 (IUGG)

Place = tuple[str, str]  # name of a root, and a folder in it; "" for all of it
Condition = ColumnElement[bool]
Mask = NDArray[np.bool_]  # (vectors,)


@dataclass(frozen=True, slots=True)
class Criteria:
    """A filter in the catalogue's own terms: whole labels and cameras, folders of roots. None asks for nothing."""

    species: frozenset[str] | None = None
    not_species: frozenset[str] = frozenset()
    since: str | None = None  # the beginning of an ISO 8601 time
    until: str | None = None
    near: tuple[Near, ...] = ()
    not_near: tuple[Near, ...] = ()
    under: tuple[Place, ...] = ()
    not_under: tuple[Place, ...] = ()
    cameras: frozenset[str] | None = None
    not_cameras: frozenset[str] = frozenset()
    min_probability: float | None = None
    max_probability: float | None = None

    def admits(self, root: str, relative: str) -> bool:
        """Tell whether a file lies where the photos are to lie; of several with the same bytes some may not."""
        inside = not self.under or any(_holds(place, root, relative) for place in self.under)
        return inside and not any(_holds(place, root, relative) for place in self.not_under)

    def lies(self) -> list[Condition]:
        """The same as conditions on a photo."""
        wanted = [or_(*(_lies_in(place) for place in self.under))] if self.under else []
        return [*wanted, *(_lies_outside(place) for place in self.not_under)]


def matching_rows(connection: Connection, criteria: Criteria) -> Rows:
    """Return the rows that a present photo has which satisfies the criteria, ascending: (n,) int64, read-only."""
    total = count_vectors(connection)
    kept = ~_mask(connection, [DEAD], total)
    for alternatives in _wanted(criteria):
        kept &= _mask(connection, alternatives, total)
    for alternatives in _unwanted(criteria):
        kept &= ~_mask(connection, alternatives, total)
    if criteria.under or criteria.not_under:
        kept &= _marked(connection, _rows_of_photos(criteria), total)
    rows = np.flatnonzero(kept)
    rows.flags.writeable = False
    return rows


def rows_of_species(connection: Connection, species: Iterable[str]) -> Rows:
    """Return the rows of these labels, dead ones too, ascending: (n,) int64."""
    condition = ContentTable.species.in_(sorted(species))
    return np.flatnonzero(_mask(connection, [condition], count_vectors(connection)))


def _mask(connection: Connection, alternatives: Iterable[Condition], total: int) -> Mask:
    """Which rows satisfy any of some conditions on contents; a query each, so that each takes its index."""
    has_vector = ContentTable.vector_row.is_not(None)
    queries = (select(ContentTable.vector_row).where(has_vector, condition) for condition in alternatives)
    return _marked(connection, queries, total)


def _marked(connection: Connection, queries: Iterable[Select[int | None]], total: int) -> Mask:
    mask = np.zeros(total, dtype=np.bool_)
    for query in queries:
        mask[unsorted_numbers(connection, query)] = True
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
    """Rows of the photos that lie where they are to lie; a query for each folder."""
    query = (
        select(ContentTable.vector_row)
        .join_from(PhotoTable, ContentTable, ContentTable.id == PhotoTable.content_id)
        .where(PhotoTable.state == "indexed", ContentTable.vector_row.is_not(None))
        .where(*(_lies_outside(place) for place in criteria.not_under))
    )
    if not criteria.under:
        yield query
    for place in criteria.under:
        yield query.where(_lies_in(place))


def _lies_in(place: Place) -> Condition:
    root, folder = place
    its_id = select(RootTable.id).where(RootTable.name == root).scalar_subquery()
    return and_(PhotoTable.root_id == its_id, *below(folder))


def _lies_outside(place: Place) -> Condition:
    """Of a root that was never indexed, which has no id, `_lies_in` is unknown rather than false."""
    return not_(func.coalesce(_lies_in(place), false()))


def _holds(place: Place, root: str, relative: str) -> bool:
    return root == place[0] and (not place[1] or relative.startswith(f"{place[1]}/"))
