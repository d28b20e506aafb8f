"""Lists of photos, of species, and of photos that could not be read."""

from collections.abc import Iterable
from operator import attrgetter

from retrieval.present.table import Column, RecordForm, minute, of_records, percent
from retrieval.present.view import Layout, View, path_text
from retrieval.records import Failure, ListedPhoto, ListedSpecies

_PHOTO = (
    *("path", "species", "probability", "taken_at", "camera", "latitude", "longitude", "width", "height", "size"),
)
_SPECIES = ("species", "photos", "days", "first", "last", "probability", "path")


def photos(found: Iterable[ListedPhoto], layout: Layout, *, label_kind: str = "species") -> View:
    """Show indexed photos, a row each."""
    table: tuple[Column[ListedPhoto], ...] = (
        Column("taken", lambda one: minute(one.taken_at)),
        Column(label_head(label_kind), lambda one: one.species or ""),
        Column("", lambda one: percent(one.probability), right=True),
        Column("camera", lambda one: one.camera or ""),
        Column("MB", lambda one: f"{one.size / 1e6:,.1f}", right=True),
        Column("path", lambda one: path_text(one.path, layout)),
    )
    values = {name: attrgetter(name) for name in _PHOTO}
    form = RecordForm(values, table, "no photos found", attrgetter("path"))
    return of_records(found, form, label_kind=label_kind)


def species(found: Iterable[ListedSpecies], layout: Layout, *, label_kind: str = "species") -> View:
    """Show a life list, a species a row; its path is that of the most certain photo."""
    table: tuple[Column[ListedSpecies], ...] = (
        Column(label_head(label_kind), lambda one: one.species),
        Column("photos", lambda one: f"{one.photos:,}", right=True),
        Column("days", lambda one: f"{one.days:,}", right=True),
        Column("first", lambda one: str(one.first.date()) if one.first else ""),
        Column("last", lambda one: str(one.last.date()) if one.last else ""),
        Column("best", lambda one: percent(one.probability), right=True),
        Column("path", lambda one: path_text(one.path, layout)),
    )
    values = {name: attrgetter(name) for name in _SPECIES}
    form = RecordForm(values, table, "no photos found", attrgetter("path"))
    return of_records(found, form, label_kind=label_kind)


def failures(found: Iterable[Failure], layout: Layout) -> View:
    """Show the photos that could not be read, with the reasons."""
    table: tuple[Column[Failure], ...] = (
        Column("kind", lambda one: one.kind),
        Column("path", lambda one: path_text(one.path, layout)),
        Column("reason", lambda one: one.reason),
    )
    values = {name: attrgetter(name) for name in ("path", "kind", "reason")}
    return of_records(found, RecordForm(values, table, "no photo failed", attrgetter("path")))


def label_head(label_kind: str) -> str:
    """Head a column of labels: general ones identify no species."""
    return "general label" if label_kind == "general" else "species"
