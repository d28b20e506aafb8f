"""Disks mounted inside a root: remembered when they are walked, and missed when they are not there the next time."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from retrieval.archive.mounts import DeviceOf, is_mount
from retrieval.archive.walk import Walk, relative_to
from retrieval.catalogue.criteria import Folder
from retrieval.catalogue.run import IndexingRun
from retrieval.errors import ArchiveError, Remedy
from retrieval.manifest import Manifest
from retrieval.records import Source
from retrieval.text import format_count


def refuse_unmounted(
    run: IndexingRun, manifest: Manifest, walks: Sequence[tuple[str, Walk]], device_of: DeviceOf
) -> None:
    """Raise ArchiveError where a disk was mounted, photos of it are missing now, and none is mounted or it is empty.

    The walks have been added to the run's listing. A plain folder with all of the photos may have replaced a disk.
    """
    for name, walk in walks:
        start = relative_to(walk.start, walk.root)
        for mount in manifest.mounts.get(name, ()):
            if _is_within(mount, start) or _is_within(start, mount):
                folder, mounted = Folder(name, max(mount, start, key=len)), is_mount(walk.root / mount, device_of)
                if _is_listed(mount, walk) and not (mounted and run.has_listed(folder)):
                    _refuse_missing(walk.root / mount, run.count_missing(folder), mounted=mounted)


def _refuse_missing(path: Path, missing: int, *, mounted: bool) -> None:
    if missing:
        photos = format_count(missing, "photo")
        what = f"{path} has no photos" if mounted else f"no disk is mounted on {path}"
        raise ArchiveError(f"{what}, but the index knows {photos} there", Remedy.MOUNT_OR_ALLOW_EMPTY)


def refuse_vanished(walk: Walk) -> None:
    """Raise ArchiveError if a disk was pulled out while it was being listed."""
    for mount in walk.mounts:
        if not is_mount(walk.root / mount, walk.device_of):
            raise ArchiveError(f"{walk.root / mount} vanished while it was being listed", Remedy.MOUNT)


def pulled_out(manifest: Manifest, source: Source, device_of: DeviceOf) -> Path | None:
    """Return the place of the disk that a file was on, if it was one inside a root and is not mounted any longer."""
    mounts = manifest.mounts_around(source.root, source.relative)
    return next((path for path in mounts if not is_mount(path, device_of)), None)


def with_mounts(manifest: Manifest, walks: Sequence[tuple[str, Walk]]) -> Manifest:
    """Remember the disks that were walked, and forget those that are no more; others stay as they were."""
    mounts = {name: set(known) for name, known in manifest.mounts.items()}
    for name, walk in walks:
        start = relative_to(walk.start, walk.root)
        known = mounts.setdefault(name, set())
        known -= {mount for mount in known if _is_within(mount, start) and _is_listed(mount, walk)}
        known |= set(walk.mounts)
    return replace(manifest, mounts={name: tuple(sorted(known)) for name, known in mounts.items() if known})


def _is_listed(mount: str, walk: Walk) -> bool:
    """Tell whether a walk would have listed a folder: it is neither excluded nor below what could not be listed."""
    unreadable = [relative_to(failure.path, walk.root) for failure in walk.unreadable]
    if any(_is_within(mount, folder) for folder in unreadable):
        return False
    path = PurePosixPath(mount)
    return not any(walk.exclude(str(folder)) for folder in (path, *path.parents) if str(folder) != ".")


def _is_within(relative: str, folder: str) -> bool:
    """Tell whether a path is a folder or below it; both are relative to one root."""
    return not folder or relative == folder or relative.startswith(f"{folder}/")
