"""Changes to an index's settings that read no photo: what search is tuned for, and where a root is mounted."""

from dataclasses import replace
from pathlib import Path

from retrieval.archive.walk import check_root
from retrieval.lock import writing
from retrieval.records import PathInput
from retrieval.search.protocol import SearchStatus
from retrieval.store import Store


def optimise(store: Store, recall: float | None, memory_bytes: int | None) -> SearchStatus:
    """Rebuild the search index for a recall (above 0, at most 1, of the 20 nearest) and a limit on its memory.

    Both are kept for later runs; None leaves one as it was. Returns the index as it is then, with what was measured.
    Raises QueryError, before anything is changed, for a recall or a limit that cannot be, and IndexLockedError while
    another process writes.
    """
    with writing(store.folder):
        return rebuild_search(store, recall, memory_bytes)


def rebuild_search(store: Store, recall: float | None, memory_bytes: int | None) -> SearchStatus:
    """Do the same for a caller that holds the writer's lock."""
    targets = store.search.targets()
    targets = targets if recall is None else replace(targets, recall=recall)
    targets = targets if memory_bytes is None else replace(targets, memory_bytes=memory_bytes)
    return store.search.rebuild(store.catalogue.contents.vectors(), store.catalogue.contents.dead_rows(), targets)


def relocate(store: Store, root: str, path: PathInput) -> None:
    """Set where a root is mounted now.

    Raises IndexFormatError for an unknown root, ArchiveError for a folder that is missing or empty, IndexLockedError
    while another process writes.
    """
    with writing(store.folder):
        store.reload()
        store.save(store.manifest.relocated(root, check_root(Path(path))))
