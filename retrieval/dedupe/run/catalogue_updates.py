"""Updates the catalogue after each change to a file, and after undoing it. Both may be repeated after a kill."""

from pathlib import Path

from retrieval.archive.walk import SKIPPED_FOLDERS
from retrieval.catalogue.files import Location
from retrieval.dedupe.run.records import LINKING, Change
from retrieval.manifest import Manifest
from retrieval.store import Store


def record_change(store: Store, change: Change) -> None:
    """Record that a file was moved, removed or linked."""
    location = location_of(store.manifest, change.path)
    if not change.is_photo or location is None:
        return
    target = _indexed_location(store.manifest, change.target)
    if change.mode in LINKING:
        status = change.path.lstat()
        store.catalogue.files.touch(location, status.st_size, status.st_mtime_ns)
    elif target is not None:
        store.catalogue.files.move(location, target)
    else:
        store.catalogue.files.mark_gone(location)


def record_return(store: Store, change: Change) -> None:
    """Record that a file is back where it was; one that has changed meanwhile is then read again by indexing."""
    location = location_of(store.manifest, change.path)
    if not change.is_photo or location is None:
        return
    target = _indexed_location(store.manifest, change.target)
    if target is not None:
        store.catalogue.files.move(target, location)
    was = change.original
    store.catalogue.files.restore(location, was.size, was.mtime_ns, bytes.fromhex(was.sha256))


def is_indexed(store: Store, path: Path) -> bool:
    """Tell whether the catalogue has, or once had, a photo at this path."""
    location = location_of(store.manifest, path)
    return location is not None and store.catalogue.files.knows(location)


def location_of(manifest: Manifest, path: Path) -> Location | None:
    """Return where in the archive a path is; None if it is outside."""
    found = manifest.locate(path)
    return None if found is None else Location(*found)


def _indexed_location(manifest: Manifest, path: Path | None) -> Location | None:
    """Return the same for a path that indexing would list: it skips hidden folders and trash."""
    location = None if path is None else location_of(manifest, path)
    if location is None:
        return None
    parts = location.relative.split("/")
    return None if any(part.startswith(".") or part.lower() in SKIPPED_FOLDERS for part in parts) else location
