"""The networks that have a name."""

from collections.abc import Iterable
from operator import attrgetter
from typing import TYPE_CHECKING

from retrieval.present.table import Column, RecordForm, of_records
from retrieval.present.view import View

if TYPE_CHECKING:
    from retrieval.models.available import AvailableModel

_VALUES = ("name", "about", "input_size", "parameters", "classes", "label_kind", "where", "photos_per_s")


def networks(found: "Iterable[AvailableModel]") -> View:
    """Show networks, a row each."""
    return of_records(found, _FORM)


def _labels(one: "AvailableModel") -> str:
    return f"{one.classes:,} {'general labels' if one.label_kind == 'general' else 'species'}"


def _speed(one: "AvailableModel") -> str:
    return "not known yet" if one.photos_per_s is None else f"{one.photos_per_s:.1f} photos/s"


_FORM: "RecordForm[AvailableModel]" = RecordForm(
    values={name: attrgetter(name) for name in _VALUES},
    table=(
        Column("name", lambda one: one.name),
        Column("input", lambda one: f"{one.input_size} px", right=True),
        Column("parameters", lambda one: f"{one.parameters / 1e6:.1f} M", right=True),
        Column("labels", _labels),
        Column("where", lambda one: one.where),
        Column("speed here", _speed),
        Column("", lambda one: one.about),
    ),
    empty="no networks",
)
