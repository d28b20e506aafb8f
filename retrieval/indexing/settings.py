"""Changes to an index's settings that read no photo: what search is tuned for, and where a root is mounted."""

from dataclasses import replace
from pathlib import Path

from retrieval.archive.walk import check_root
from retrieval.lock import writing
from retrieval.records import PathInput
from retrieval.search.measurement import Measurement
from retrieval.store import Store


def optimise(store: Store, recall: float | None, memory_bytes: int | None) -> Measurement | None:
    """Rebuild the search index for a recall (0 to 1, of the 20 nearest) and a limit on the memory it holds.

    Both are kept for later runs; None leaves one as it was. Returns what was measured, None where there are no photos.
    Raises IndexLockedError while another process writes.
    """
    with writing(store.folder):
        return rebuild_search(store, recall, memory_bytes)


def rebuild_search(store: Store, recall: float | None, memory_bytes: int | None) -> Measurement | None:
    """Do the same for a caller that holds the writer's lock."""
    wishes = store.neighbours.wishes()
    wishes = wishes if recall is None else replace(wishes, target_recall=recall)
    wishes = wishes if memory_bytes is None else replace(wishes, memory_bytes=memory_bytes)
    return store.neighbours.rebuild(store.catalogue.contents.vectors(), store.catalogue.contents.dead_rows(), wishes)


def relocate(store: Store, root: str, path: PathInput) -> None:
    """Set where a root is mounted now.

    Raises IndexFormatError for an unknown root, ArchiveError for a folder that is missing or empty, IndexLockedError
    while another process writes.
    """
    with writing(store.folder):
        store.reload()
        store.save(store.manifest.relocated(root, check_root(Path(path))))
