"""Lets the catalogue follow each step over a file, forwards and back. Both may be repeated after a kill."""

from pathlib import Path

from retrieval.archive.walk import SKIPPED_FOLDERS
from retrieval.catalogue import moves
from retrieval.catalogue.moves import Place
from retrieval.dedupe.run.records import LINKING, Step
from retrieval.manifest import Manifest
from retrieval.store import Store


def forwards(store: Store, step: Step) -> None:
    """Take note that a step was taken."""
    place = place_of(store.manifest, step.path)
    if not step.photo or place is None:
        return
    target = _listed_place(store.manifest, step.to)
    if step.mode in LINKING:
        found = step.path.lstat()
        moves.touched(store.database, place, found.st_size, found.st_mtime_ns)
    elif target is not None:
        moves.moved(store.database, place, target)
    else:
        moves.went(store.database, place)


def backwards(store: Store, step: Step) -> None:
    """Take note that a file is back where it was."""
    place = place_of(store.manifest, step.path)
    if not step.photo or place is None:
        return
    target = _listed_place(store.manifest, step.to)
    if target is not None:
        moves.moved(store.database, target, place)
    found = step.path.lstat()
    moves.came_back(store.database, place, found.st_size, found.st_mtime_ns, bytes.fromhex(step.was.sha256))


def place_of(manifest: Manifest, path: Path) -> Place | None:
    """Return where in the archive a path is."""
    found = manifest.locate(path)
    return None if found is None else Place(*found)


def _listed_place(manifest: Manifest, path: Path | None) -> Place | None:
    """Return the same for a path that indexing would list: hidden folders and trash are no part of the archive."""
    place = None if path is None else place_of(manifest, path)
    if place is None:
        return None
    parts = place.relative.split("/")
    return None if any(part.startswith(".") or part.lower() in SKIPPED_FOLDERS for part in parts) else place
