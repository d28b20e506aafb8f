"""What an index holds: its counts, sizes, settings, and the photos that could not be read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retrieval.manifest import Calibration, Model
from retrieval.records import Counts, Failure
from retrieval.search.protocol import SearchStatus
from retrieval.store import Store


@dataclass(frozen=True, slots=True)
class Status:
    """What an index holds."""

    folder: Path
    model: Model
    created_at: str  # ISO 8601
    roots: dict[str, Path]
    counts: Counts
    size_bytes: dict[str, int]  # by file name
    search: SearchStatus
    failures: dict[str, int]  # by kind of reason
    calibration: Calibration | None  # of an int8 index that has photos


def status(store: Store) -> Status:
    """Count what an index holds."""
    counts = store.catalogue.photos.counts()
    return Status(
        folder=store.folder,
        model=store.manifest.model,
        created_at=store.manifest.created_at,
        roots=dict(store.manifest.roots),
        counts=counts,
        size_bytes=store.size_bytes(),
        search=store.search.status(counts.vectors),
        failures=store.catalogue.failures.count_by_kind(),
        calibration=store.manifest.calibration,
    )


def failures(store: Store) -> Iterator[Failure]:
    """Yield the photos that could not be read, with the reasons."""
    for one in store.catalogue.failures.all():
        yield Failure(store.manifest.path_of(one.root, one.relative), one.kind, one.reason)
