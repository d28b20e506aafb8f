"""One run over the archive: list it, read what is new, record what came of it, keep search up to date."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from retrieval.archive.mounts import DeviceOf, device_of
from retrieval.archive.walk import Walk, check_root, excluder, relative_to
from retrieval.catalogue.criteria import Folder
from retrieval.catalogue.listing import ListedFolder, Settled
from retrieval.catalogue.rehash import rehash
from retrieval.catalogue.run import IndexingRun
from retrieval.embed.embedder import Embedder
from retrieval.engines.protocol import INT8
from retrieval.errors import ArchiveError, Remedy
from retrieval.indexing.calibrate import calibrate
from retrieval.indexing.mounts import pulled_out, refuse_unmounted, refuse_vanished, with_mounts
from retrieval.indexing.new_contents import NewContents
from retrieval.indexing.settings import rebuild_search
from retrieval.lock import writing
from retrieval.manifest import Manifest
from retrieval.records import Failure, Outcome, Progress, Report, Source
from retrieval.search.targets import Targets
from retrieval.store import Store

Listener = Callable[[Progress], None]
KEPT_FAILURES = 1_000  # in the report; the catalogue has all of them


@dataclass(frozen=True, slots=True)
class Options:
    """What a run may be told."""

    exclude: Collection[str] = ()  # glob patterns, see archive.excluder
    retry: Collection[str] = ()  # kinds of failures to try again
    allow_empty: bool = False  # a root without photos, or a disk inside one that is missing, is so on purpose
    memory_bytes: int | None = None  # that search may hold; None: as before
    progress: Listener = field(default=lambda _progress: None)  # may raise Interrupted: what is recorded stays
    device_of: DeviceOf = device_of  # tells which folders are mounts


def update(store: Store, embedder: Embedder, paths: Iterable[Path], options: Options) -> Report:
    """Bring the index up to date with folders (all of its roots if none are given); return what was done.

    Raises ArchiveError, before anything is changed, for a folder that is missing, unmounted or has no photos.
    """
    started = time.monotonic()
    Targets(memory_bytes=options.memory_bytes)  # raises QueryError for what cannot be, before anything is changed
    with writing(store.folder):
        store.reload()
        manifest, starts = plan(store.manifest, paths)
        with store.catalogue.indexing_run() as run:
            store.vectors.truncate(run.vectors())  # what a killed run appended and did not commit
            walks = _list(run, manifest, starts, options)
            _refuse_empty(store, manifest, walks, options)
            if not options.allow_empty:
                refuse_unmounted(run, manifest, walks, options.device_of)
            manifest = with_mounts(manifest, walks)
            if manifest != store.manifest:
                store.save(manifest)
            settled = run.settle((_listed_folder(name, walk) for name, walk in walks), options.retry)
            tally = _Tally(settled, [failure for _, walk in walks for failure in walk.unreadable])
            if manifest.model.precision == INT8 and (store.calibrated_network or settled.pending):
                calibrate(store, embedder, run.pending(), _locate(manifest), options.progress)
            passes = embedder.passes
            contents = NewContents(store.catalogue.contents, options.retry)
            files = contents.settle(embedder.read(run.pending(), _locate(manifest)))
            for outcomes in embedder.stream(files, count=settled.pending):
                _refuse_vanished(manifest, outcomes, options.device_of)
                tally.add(outcomes, _record(store, run, outcomes))
                contents.recorded(outcomes)
                now = Progress("embedding", tally.read, settled.pending, tally.failed, outcomes[-1].path)
                options.progress(now)
            if store.head is None and store.manifest.model.classes:  # lost since the index was made
                store.keep_head(embedder.head)
            options.progress(Progress("building", tally.read, settled.pending, tally.failed))
            if options.memory_bytes in (None, store.search.targets().memory_bytes):
                store.search.refresh(run.vectors(), store.catalogue.contents.dead_rows())
            else:
                rebuild_search(store, None, options.memory_bytes)
            rehash(store.catalogue.previews, options.progress)
            return tally.report(walks, run.count_gone(), embedder.passes - passes, time.monotonic() - started)


def plan(manifest: Manifest, paths: Iterable[Path]) -> tuple[Manifest, list[tuple[str, Path]]]:
    """Return the manifest with new roots, and where to walk: (root name, folder), each part of the archive once.

    A folder inside a known root is that part of it; roots inside a given folder are walked as themselves.
    """
    starts: dict[Path, str] = {}
    for path in [check_root(path) for path in paths] or [_mounted(manifest, name) for name in manifest.roots]:
        if manifest.locate(path) is None:
            manifest = manifest.with_root(path)
        found = manifest.locate(path)
        assert found is not None
        starts[path] = found[0]
        starts.update({root: name for name, root in manifest.nested_roots(path).items()})
    if not starts:
        raise ArchiveError("this index has no folders yet", Remedy.NAME_FOLDER)
    inner = {path for path in starts for other in starts if other in path.parents and starts[other] == starts[path]}
    return manifest, [(name, path) for path, name in starts.items() if path not in inner]


def _mounted(manifest: Manifest, name: str) -> Path:
    path = manifest.roots[name]
    if not path.is_dir():
        raise ArchiveError(f"the folder {path} (root {name!r}) is not there", Remedy.MOUNT_OR_RELOCATE, root=name)
    return path


def _list(
    run: IndexingRun, manifest: Manifest, starts: Sequence[tuple[str, Path]], options: Options
) -> list[tuple[str, Walk]]:
    """Take down every photo of the folders."""
    exclude = excluder(options.exclude)
    all_roots = frozenset(str(root) for root in manifest.roots.values())
    walks: list[tuple[str, Walk]] = []
    for name, start in starts:
        walk = Walk(manifest.roots[name], start, exclude, other_roots=all_roots, device_of=options.device_of)
        before = sum(other.photos for _, other in walks)
        for listed in run.add_listed(name, walk):
            options.progress(Progress("scanning", before + listed, None))
        if not start.is_dir():
            raise ArchiveError(f"{start} vanished while it was being listed", Remedy.MOUNT)
        refuse_vanished(walk)
        walks.append((name, walk))
    return walks


def _refuse_empty(store: Store, manifest: Manifest, walks: Sequence[tuple[str, Walk]], options: Options) -> None:
    """An unmounted disk looks like an empty folder: that is no reason to take its photos for deleted."""
    for name, walk in walks:
        if walk.photos or options.allow_empty:
            continue
        known = store.catalogue.photos.count_in(Folder(name, relative_to(walk.start, walk.root)))
        if known:
            found = f"{walk.start} has no photos, but the index knows {known:,} there"
            raise ArchiveError(found, Remedy.MOUNT_OR_ALLOW_EMPTY)
        if name not in store.manifest.roots and not manifest.nested_roots(walk.root):
            found = f"there are no photos in {walk.root} ({sum(walk.ignored.values()):,} other files)"
            raise ArchiveError(found, Remedy.CHECK_PATH)


def _listed_folder(name: str, walk: Walk) -> ListedFolder:
    unreadable = tuple(relative_to(failure.path, walk.root) for failure in walk.unreadable)
    return ListedFolder(name, relative_to(walk.start, walk.root), unreadable)


def _locate(manifest: Manifest) -> Callable[[Source], Path]:
    return lambda source: manifest.path_of(source.root, source.relative)


def _refuse_vanished(manifest: Manifest, outcomes: Sequence[Outcome], device_of: DeviceOf) -> None:
    """A disk that is pulled out mid-run must not turn the rest of its photos into failures."""
    for source in (outcome.source for outcome in outcomes if outcome.content_hash is None):
        root = manifest.roots[source.root]
        lost = pulled_out(manifest, source, device_of) if root.is_dir() else root
        if lost:
            raise ArchiveError(f"{lost} vanished while it was being read", Remedy.MOUNT_AND_CONTINUE)


def _record(store: Store, run: IndexingRun, outcomes: Sequence[Outcome]) -> Counter[str]:
    """Make the vectors durable, then commit the rows that name them."""
    first_row = run.vectors()
    vectors = [outcome.embedding.vector for outcome in outcomes if outcome.embedding]
    if vectors:
        store.vectors.append(np.stack(vectors), first_row)
    return run.record(outcomes, first_row)


@dataclass(slots=True)
class _Tally:
    """The report as it grows."""

    settled: Settled
    failures: list[Failure]
    fates: Counter[str] = field(default_factory=Counter)
    read: int = 0

    @property
    def failed(self) -> int:
        return self.settled.failed + self.fates["failed"]

    def add(self, outcomes: Sequence[Outcome], fates: Counter[str]) -> None:
        self.read += len(outcomes)
        self.fates += fates
        new = (outcome.failure for outcome in outcomes if outcome.failure)
        self.failures += list(new)[: max(0, KEPT_FAILURES - len(self.failures))]

    def report(self, walks: Sequence[tuple[str, Walk]], gone: int, embedded: int, elapsed_s: float) -> Report:
        return Report(
            added=self.fates["added"],
            changed=self.fates["changed"],
            unchanged=self.settled.unchanged + self.fates["unchanged"],
            moved=self.fates["moved"],
            returned=self.settled.returned + self.fates["returned"],
            gone=gone,
            failed=self.failed,
            ignored=sum(sum(walk.ignored.values()) for _, walk in walks),
            links=sum(walk.links for _, walk in walks),
            embedded=embedded,
            elapsed_s=elapsed_s,
            failures=tuple(self.failures),
        )
