"""From a filter as a person says it to the photos of one index: names become labels, folders places, all of it rows."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from retrieval.catalogue.criteria import Criteria, Folder
from retrieval.errors import CheckpointError, QueryError, Remedy
from retrieval.filters import Filter
from retrieval.manifest import Manifest
from retrieval.records import Rows
from retrieval.species.names import SpeciesNames, cameras_matching, words
from retrieval.store import Store

SHOWN = 10  # names in a message


@dataclass(frozen=True, slots=True, eq=False)
class SelectedPhotos:
    """The photos that take part."""

    rows: Rows | None = None  # ascending; None: all
    criteria: Criteria = field(default_factory=Criteria)

    def includes(self, row: int, root: str, relative: str) -> bool:
        """Tell whether a file takes part."""
        if self.rows is not None:
            place = int(np.searchsorted(self.rows, row))
            if place == len(self.rows) or self.rows[place] != row:
                return False
        return self.criteria.admits(root, relative)


def select_photos(store: Store, wanted: Filter | None) -> SelectedPhotos:
    """Find the photos that a filter means; raise QueryError for a name or folder that is not known here."""
    found = resolve_filter(store, wanted or Filter())
    return SelectedPhotos() if found == Criteria() else SelectedPhotos(store.catalogue.photos.rows(found), found)


def resolve_filter(store: Store, wanted: Filter) -> Criteria:
    """Settle what the names and folders of a filter mean in this index; raise QueryError for those not known here."""
    species, cameras = _species(store, wanted), _cameras(store, wanted)
    return Criteria(
        species=_any_of(species, wanted.species),
        not_species=_any_of(species, wanted.not_species) or frozenset(),
        since=None if wanted.since is None else str(wanted.since),
        until=None if wanted.until is None else str(wanted.until),
        near=tuple(wanted.near),
        not_near=tuple(wanted.not_near),
        under=tuple(place for folder in wanted.under for place in resolve_folder(store, str(folder))),
        not_under=tuple(place for folder in wanted.not_under for place in resolve_folder(store, str(folder))),
        cameras=_any_of(cameras, wanted.camera),
        not_cameras=_any_of(cameras, wanted.not_camera) or frozenset(),
        min_probability=wanted.min_probability,
        max_probability=wanted.max_probability,
    )


def resolve_folder(store: Store, folder: str) -> list[Folder]:
    """Return where in the index a folder lies: a path, or the name of a root with or without a folder in it.

    A folder above several roots stands for all of them. Raises QueryError for one that the index does not know.
    """
    path = Path(folder).expanduser()
    if path.is_file():
        raise QueryError(f"{folder} is a file: give the folder it lies in")
    by_name = _by_root_name(store.manifest, folder)
    found = _by_path(store.manifest, path) if path.exists() or not by_name else by_name
    found = found or by_name
    if not found:
        roots = ", ".join(f"{name} ({root})" for name, root in store.manifest.roots.items()) or "none yet"
        raise QueryError(f"{folder} is in no folder of this index: its roots are {roots}")
    if not path.exists() and not any(map(store.catalogue.photos.any_ever_in, found)):
        raise QueryError(f"there is no folder {folder}, and no photo was ever indexed there: check its name")
    return found


def _by_root_name(manifest: Manifest, folder: str) -> list[Folder]:
    name, *inside = Path(folder).parts or ("",)
    return [Folder(name, "/".join(inside))] if name in manifest.roots else []


def _by_path(manifest: Manifest, path: Path) -> list[Folder]:
    for spelt in (path.resolve(), Path(os.path.abspath(path))):  # noqa: PTH100 - Path.absolute keeps ".."
        place = manifest.locate(spelt)
        nested = [Folder(name) for name in manifest.nested_roots(spelt)]
        if place or nested:
            return [*([Folder(*place)] if place else []), *nested]
    return []


def _any_of(matching: Callable[[str], frozenset[str]], names: Iterable[object]) -> frozenset[str] | None:
    found = [matching(str(name)) for name in names]
    return frozenset().union(*found) if found else None


def _species(store: Store, wanted: Filter) -> Callable[[str], frozenset[str]]:
    if not (wanted.species or wanted.not_species):
        return lambda _name: frozenset()
    known = SpeciesNames({*_labels(store), *store.catalogue.photos.species()})

    def matching(name: str) -> frozenset[str]:
        found = known.matching(name)
        if not found:
            raise _unknown_species(name, known.suggestions(name))
        return found

    return matching


def _labels(store: Store) -> tuple[str, ...]:
    try:
        return store.head.labels if store.head else ()
    except CheckpointError:
        return ()  # `verify` tells of it; the labels of photos are known nonetheless


def _unknown_species(name: str, suggestions: list[str]) -> QueryError:
    unknown = f"no species is called {name!r} here"
    if suggestions:
        return QueryError(f"{unknown}: did you mean {' or '.join(map(repr, suggestions))}?")
    return QueryError(unknown, Remedy.LIST_SPECIES)


def _cameras(store: Store, wanted: Filter) -> Callable[[str], frozenset[str]]:
    if not (wanted.camera or wanted.not_camera):
        return lambda _name: frozenset()
    known = store.catalogue.photos.cameras()

    def matching(name: str) -> frozenset[str]:
        found = cameras_matching(name, known) if words(name) else frozenset()
        if not found:
            more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
            raise QueryError(f"no photo is by a camera called {name!r}: there are {', '.join(known[:SHOWN])}{more}")
        return found

    return matching
