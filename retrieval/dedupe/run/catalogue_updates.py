"""Updates the catalogue after each change to a file, and after undoing it. Both may be repeated after a kill."""

from pathlib import Path

from retrieval.archive.walk import SKIPPED_FOLDERS
from retrieval.catalogue import moves
from retrieval.catalogue.moves import Place
from retrieval.dedupe.run.records import LINKING, Change
from retrieval.manifest import Manifest
from retrieval.store import Store


def record_change(store: Store, change: Change) -> None:
    """Record that a file was moved, removed or linked."""
    place = place_of(store.manifest, change.path)
    if not change.is_photo or place is None:
        return
    target = _indexed_place(store.manifest, change.target)
    if change.mode in LINKING:
        status = change.path.lstat()
        moves.touched(store.database, place, status.st_size, status.st_mtime_ns)
    elif target is not None:
        moves.moved(store.database, place, target)
    else:
        moves.went(store.database, place)


def record_return(store: Store, change: Change) -> None:
    """Record that a file is back where it was."""
    place = place_of(store.manifest, change.path)
    if not change.is_photo or place is None:
        return
    target = _indexed_place(store.manifest, change.target)
    if target is not None:
        moves.moved(store.database, target, place)
    status = change.path.lstat()
    sha256 = bytes.fromhex(change.original.sha256)
    moves.came_back(store.database, place, status.st_size, status.st_mtime_ns, sha256)


def is_indexed(store: Store, path: Path) -> bool:
    """Tell whether the catalogue has, or once had, a photo at this path."""
    place = place_of(store.manifest, path)
    return place is not None and moves.knows(store.database, place)


def place_of(manifest: Manifest, path: Path) -> Place | None:
    """Return where in the archive a path is; None if it is outside."""
    found = manifest.locate(path)
    return None if found is None else Place(*found)


def _indexed_place(manifest: Manifest, path: Path | None) -> Place | None:
    """Return the same for a path that indexing would list: it skips hidden folders and trash."""
    place = None if path is None else place_of(manifest, path)
    if place is None:
        return None
    parts = place.relative.split("/")
    return None if any(part.startswith(".") or part.lower() in SKIPPED_FOLDERS for part in parts) else place
