"""Which photos take part in a query, a list or a search for duplicates, as a person says it.

What the words mean in one index (which labels, which folders) is `choose`'s to find out.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from numbers import Real
from os import PathLike
from typing import Any, NamedTuple

from retrieval.errors import QueryError

_MOMENT = re.compile(r"(\d{4})(?:-(\d\d?)(?:-(\d\d?)(?:[ T](\d\d?)(?::(\d\d)(?::(\d\d)(?:\.\d+)?)?)?)?)?)?")
_JOINTS = ("", "-", "-", "T", ":", ":")


class Near(NamedTuple):
    """A circle on the earth."""

    latitude: float  # degrees, WGS 84, north positive
    longitude: float  # degrees, east positive
    km: float  # great-circle distance from its centre

    @classmethod
    def parse(cls, text: str) -> "Near":
        """Read "LAT,LON,KM"; raise QueryError for anything else."""
        try:
            latitude, longitude, km = (float(part) for part in text.strip().lower().removesuffix("km").split(","))
        except ValueError:
            raise QueryError(f"{text!r} is no place: give LAT,LON,KM as in 25.19,55.32,10") from None
        return cls(latitude, longitude, km).checked()

    def checked(self) -> "Near":
        """Return it; raise QueryError where there is no such place, or no such circle."""
        if not (abs(self.latitude) <= 90 and abs(self.longitude) <= 180):  # also false for what is no number
            raise QueryError(
                f"{self.latitude:g},{self.longitude:g} is no place: latitude goes from -90 to 90 degrees, "
                "longitude from -180 to 180"
            )
        if not (0 < self.km < math.inf):
            raise QueryError(f"{self.km:g} km is no distance: give more than 0")
        return self


@dataclass(frozen=True, slots=True)
class Filter:
    """Photos that satisfy every kind of condition given here; of several values of one kind, any.

    A `not_` condition leaves out exactly what the plain one would choose: also what it leaves is a photo without a
    species, place or camera. A single value may stand for a sequence of one. Raises QueryError for what cannot be.
    """

    species: Sequence[str] = ()  # labels, scientific names, or globs
    not_species: Sequence[str] = ()
    since: str | date | None = None  # 2021, 2021-05, 2021-05-03, 2021-05-03T14:30: the camera's local time
    until: str | date | None = None  # to its end: 2021 is to the last moment of that year
    near: Sequence[Near] = ()
    not_near: Sequence[Near] = ()
    under: Sequence[str | PathLike[str]] = ()  # folders, or names of roots
    not_under: Sequence[str | PathLike[str]] = ()
    camera: Sequence[str] = ()  # parts of maker and model, or globs
    not_camera: Sequence[str] = ()
    min_probability: float | None = None  # of the most probable species
    max_probability: float | None = None

    def __post_init__(self) -> None:
        for name in ("species", "not_species", "camera", "not_camera"):
            self._set(name, _several(name, getattr(self, name), str))
        for name in ("under", "not_under"):
            self._set(name, _several(name, getattr(self, name), str | PathLike))
        for name in ("near", "not_near"):
            self._set(name, _circles(name, getattr(self, name)))
        for name in ("min_probability", "max_probability"):
            if not isinstance(getattr(self, name), Real | None):
                raise QueryError(f"{name} is {getattr(self, name)!r}: give a number from 0 to 1")
        for name in ("since", "until"):
            if getattr(self, name) is not None:
                self._set(name, moment(getattr(self, name)))
        if self.since is not None and self.until is not None and str(self.since) > f"{self.until}~":
            raise QueryError(
                f"{self.since} is after {self.until}: no photo was taken since the one and until the other"
            )
        low, high = self.min_probability or 0.0, 1.0 if self.max_probability is None else self.max_probability
        if not 0 <= low <= high <= 1:
            raise QueryError(
                f"no probability is from {low:g} to {high:g}: give numbers from 0 to 1, the lower one first"
            )

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def moment(value: str | date) -> str:
    """Return a date, or a part of one, as the beginning of an ISO 8601 time; raise QueryError for what is none.

    ISO times sort as text: what lies in that year, month, day, hour, minute or second begins with it.
    """
    if isinstance(value, datetime) and value.tzinfo is not None:
        raise QueryError(
            f"{value} has a time zone: photos are chosen by the local time of their camera, give one without"
        )
    found = _MOMENT.fullmatch(str(value).strip())
    numbers = [int(part) for part in found.groups() if part is not None] if found else []
    try:
        datetime(*[*numbers, 1, 1][: max(3, len(numbers))])  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise QueryError(
            f"{str(value)!r} is no date: give 2021, 2021-05, 2021-05-03 or 2021-05-03T14:30, in the camera's local time"
        ) from None
    parts = (f"{number:04}" if place == 0 else f"{number:02}" for place, number in enumerate(numbers))
    return "".join(joint + part for joint, part in zip(_JOINTS, parts, strict=False))


def _several(name: str, value: Any, kind: Any) -> tuple[Any, ...]:
    values = (value,) if isinstance(value, str | PathLike) else _tuple(value)
    if values is None or not all(isinstance(one, kind) for one in values):
        raise QueryError(f"{name} is {value!r}: give text, or a list of texts")
    return values


def _circles(name: str, value: Any) -> tuple[Near, ...]:
    values = _tuple(value)
    if values and isinstance(values[0], Real):
        values = (values,)
    circles = [_tuple(one) for one in values or ()]
    if values is None or not all(one and len(one) == 3 and all(isinstance(n, Real) for n in one) for one in circles):
        raise QueryError(f"{name} is {value!r}: give (latitude, longitude, km) as in (25.19, 55.32, 10), or a list")
    return tuple(Near(*circle).checked() for circle in circles if circle)


def _tuple(value: Any) -> tuple[Any, ...] | None:
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else None
