"""Finds the indexed folders that a person means by a reference folder: by what it is, however its path is written."""

from collections.abc import Sequence
from pathlib import Path

from retrieval.errors import QueryError, Remedy
from retrieval.store import Store


def indexed_references(store: Store, folders: Sequence[Path]) -> tuple[Path, ...]:
    """Return the folders above indexed files that are the given ones or are in these, as the index spells them.

    A link to an indexed folder, or another mount of it, is that folder; so is another mount of a folder inside it. Of
    folders inside each other, only the outermost is returned. Raises QueryError for a folder that no indexed file lies
    in: nothing would be protected.
    """
    if not folders:
        return ()
    above = {folder: _identity(folder) for folder in _folders_of_files(store)}
    meant: set[Path] = set()
    for folder in folders:
        identity = _identity(folder)
        same = {one for one, its in above.items() if one == folder or (its is not None and its == identity)}
        if not same:
            raise QueryError(f"no indexed photo lies in the reference folder {folder}", Remedy.INDEX_REFERENCE)
        meant |= {one for one in above if one in same or not same.isdisjoint(one.parents)}
    protected = {above[one] for one in meant} - {None}
    meant |= {one for one, its in above.items() if its in protected}
    return tuple(sorted(one for one in meant if meant.isdisjoint(one.parents)))


def _folders_of_files(store: Store) -> set[Path]:
    """Return each folder that holds an indexed file, directly or further down."""
    direct = {store.manifest.path_of(file.root, file.relative).parent for file in store.catalogue.files.hashed()}
    return direct | {parent for folder in direct for parent in folder.parents}


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None  # not mounted now: then its path has to do
    return found.st_dev, found.st_ino
