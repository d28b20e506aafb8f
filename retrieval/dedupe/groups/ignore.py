"""Pairs that a person said are not duplicates: remembered by content, whatever their files are called later."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

from retrieval.archive.content import read_file
from retrieval.catalogue.ignored_pairs import IgnoredPair
from retrieval.errors import DedupeError, PhotoError
from retrieval.lock import writing
from retrieval.records import PathInput
from retrieval.store import Store


def ignore(store: Store, photos: Sequence[PathInput], *, take_back: bool = False) -> int:
    """Remember that photos all differ, or take that back; return how many pairs that changed.

    Raises DedupeError for a file that cannot be read, or two with the same bytes.
    """
    paths = [Path(photo) for photo in photos]
    hashes = [_hash(path) for path in paths]
    pairs: list[IgnoredPair] = []
    for (one, first), (other, second) in combinations(zip(paths, hashes, strict=True), 2):
        if first == second:
            raise DedupeError(f"{one} and {other} have the same bytes: they are one photo twice")
        pairs.append(IgnoredPair.of(first, second))
    with writing(store.folder):
        known = store.catalogue.ignored_pairs
        return known.remove(pairs) if take_back else known.add(pairs)


def ignored(store: Store) -> Iterable[tuple[list[Path], list[Path]]]:
    """Yield the pairs: for each of the two photos, the files that have its content now."""
    for first, second in store.catalogue.ignored_pairs.all():
        yield _files(store, first), _files(store, second)


def _hash(path: Path) -> bytes:
    try:
        return read_file(path).hash
    except PhotoError as error:
        raise DedupeError(f"{path}: {error.reason}") from error


def _files(store: Store, digest: bytes) -> list[Path]:
    found = store.catalogue.copies.with_hash(digest)
    return [store.manifest.path_of(copy.root, copy.relative) for copy in found]
