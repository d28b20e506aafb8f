"""A disk mounted inside a root: not there is no reason to take its photos for deleted."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from photos import archive, photo

from retrieval import Index
from retrieval.cli.remedies import in_words
from retrieval.errors import ArchiveError, Remedy
from retrieval.indexing.update import Options, update
from retrieval.records import Report


class Disks:
    """Folders with a disk mounted on them, as far as device numbers tell."""

    def __init__(self, *places: Path) -> None:
        self.places = set(places)

    def device_of(self, path: Path) -> int:
        os.lstat(path)  # raises for what is missing
        return max((len(place.parts) for place in self.places if path.is_relative_to(place)), default=0)

    def unmount(self, place: Path) -> Path:
        """Take the disk away, which leaves an empty folder; return where its files are now."""
        away = place.with_name(f".{place.name} unmounted")
        place.rename(away)
        place.mkdir()
        self.places.remove(place)
        return away

    def mount(self, away: Path, place: Path) -> None:
        shutil.rmtree(place, ignore_errors=True)
        away.rename(place)
        self.places.add(place)


@pytest.fixture
def root(tmp_path) -> Path:
    """Three photos, and five on a disk that is mounted inside."""
    archive(tmp_path / "root", 3)
    archive(tmp_path / "root" / "disk" / "2020", 5, first_seed=20)
    return tmp_path / "root"


@pytest.fixture
def disks(root) -> Disks:
    return Disks(root / "disk")


def add(index: Index, disks: Disks, *folders: Path, **options: object) -> Report:
    return update(index._store, index.embedder, folders, Options(**options, device_of=disks.device_of))


def changes(report: Report) -> tuple[int, int, int]:
    return report.unchanged, report.gone, report.returned


def test_photos_of_an_unmounted_disk_are_not_gone(index, root, disks):
    add(index, disks, root)
    away = disks.unmount(root / "disk")
    for folders in ((), (root,), (root / "disk",)):
        with pytest.raises(ArchiveError, match=f"{root / 'disk'}.* the index knows 5.*mount its disk") as caught:
            add(index, disks, *folders)
        assert caught.value.remedy == Remedy.MOUNT_OR_ALLOW_EMPTY
        assert "--allow-empty" in in_words(caught.value)
    assert index.status().counts.gone == 0
    disks.mount(away, root / "disk")
    assert changes(add(index, disks)) == (8, 0, 0)


def test_the_folder_of_a_disk_may_be_missing_altogether(index, root, disks):
    add(index, disks, root)
    disks.unmount(root / "disk").rename(root.parent / "away")
    (root / "disk").rmdir()
    with pytest.raises(ArchiveError, match="no disk is mounted on"):
        add(index, disks)
    assert index.status().counts.gone == 0


def test_photos_that_lie_below_an_unmounted_disk_do_not_speak_for_it(index, root, disks):
    """What was saved while the disk was away lies in its folder: the others are missing all the same."""
    add(index, disks, root)
    away = disks.unmount(root / "disk")
    archive(root / "disk" / "new", 7, first_seed=50)
    for folders in ((), (root / "disk",)):
        with pytest.raises(ArchiveError, match="no disk is mounted on"):
            add(index, disks, *folders)
    shutil.copytree(away / "2020", root / "disk" / "2020")
    (root / "disk" / "2020" / "000.jpg").unlink()
    with pytest.raises(ArchiveError, match="the index knows 1 photo there"):
        add(index, disks, root / "disk" / "2020")
    assert index.status().counts.gone == 0


def test_a_disk_that_is_empty_now_is_another_disk(index, root, disks):
    add(index, disks, root)
    (root / "disk" / "2020").rename(root.parent / "away")
    with pytest.raises(ArchiveError, match="disk has no photos, but the index knows 5"):
        add(index, disks)


def test_other_folders_of_the_root_are_brought_up_to_date(index, root, disks):
    photo(root / "plain" / "a.jpg", 70)
    add(index, disks, root)
    disks.unmount(root / "disk")
    photo(root / "plain" / "b.jpg", 71)
    assert add(index, disks, root / "plain").added == 1
    with pytest.raises(ArchiveError):
        add(index, disks)


def test_a_disk_that_is_gone_for_good(index, root, disks):
    add(index, disks, root)
    away = disks.unmount(root / "disk")
    assert changes(add(index, disks, allow_empty=True)) == (3, 5, 0)
    assert changes(add(index, disks)) == (3, 0, 0)
    disks.mount(away, root / "disk")
    assert changes(add(index, disks)) == (3, 0, 5)
    disks.unmount(root / "disk")
    with pytest.raises(ArchiveError):
        add(index, disks)


def test_a_folder_with_the_same_photos_replaces_a_disk(index, root, disks):
    add(index, disks, root)
    shutil.copytree(disks.unmount(root / "disk"), root / "disk", dirs_exist_ok=True)
    for path in (root / "disk" / "2020").iterdir():
        os.utime(path)
    assert changes(add(index, disks)) == (8, 0, 0)
    (root / "disk" / "2020" / "000.jpg").unlink()
    assert changes(add(index, disks)) == (7, 1, 0)


def test_photos_deleted_from_a_mounted_disk_are_gone(index, root, disks):
    add(index, disks, root)
    (root / "disk" / "2020" / "000.jpg").unlink()
    assert changes(add(index, disks)) == (7, 1, 0)


def test_a_disk_that_is_left_out_is_not_asked_for(index, root, disks):
    add(index, disks, root)
    disks.unmount(root / "disk")
    assert changes(add(index, disks, exclude=["disk"])) == (3, 5, 0)


def test_what_is_known_of_disks_outlives_other_writers(index, root, disks, tmp_path):
    add(index, disks, root)
    add(index, disks, archive(tmp_path / "other", 2, first_seed=90))
    index.relocate("other", tmp_path / "other")
    disks.unmount(root / "disk")
    with Index.open(index.folder) as again, pytest.raises(ArchiveError, match="no disk is mounted on"):
        add(again, disks)


def test_a_disk_that_was_never_seen_mounted_is_a_folder(index, root):
    nothing_mounted = Disks()
    add(index, nothing_mounted, root)
    (root / "disk" / "2020").rename(root.parent / "away")
    assert changes(add(index, nothing_mounted)) == (3, 5, 0)
    assert "mounts" not in json.loads((index.folder / "index.json").read_text())


@pytest.mark.parametrize(("phase", "doing"), [("scanning", "listed"), ("embedding", "read")])
def test_a_disk_pulled_out_during_a_run_stops_it(index, tmp_path, phase, doing):
    index.embedder.group_s = 0
    root = archive(tmp_path / "root", 1)
    archive(root / "disk", 600, first_seed=20)  # more than is read ahead
    disks = Disks(root / "disk")

    def pull(progress):
        if progress.phase == phase and root / "disk" in disks.places:
            disks.unmount(root / "disk").rename(tmp_path / "away")

    with pytest.raises(ArchiveError, match=f"disk vanished while it was being {doing}"):
        add(index, disks, root, progress=pull)
    counts = index.status().counts
    assert (counts.failed, counts.gone) == (0, 0)


REAL = """
set -e
cd "$1"
retrieval() { "$PYTHON" -m retrieval "$@" --index index --device cpu; }
mkdir -p root/disk keep
mount -t tmpfs none root/disk
mount --bind root/disk keep
cp photos/00* root
cp photos/01* root/disk
retrieval index root --model model.safetensors --format tsv >&2
umount root/disk
code=0; retrieval index 2>error || code=$?
echo $code; cat error
mount --bind keep root/disk
retrieval index >&2
umount root/disk
retrieval index --allow-empty >&2
"$PYTHON" -m retrieval status --index index --format json
"""


def test_a_real_mount(tmp_path, model):
    """In a mount namespace of its own, from the command line."""
    alone = (
        ["unshare", "--mount"]
        if os.name == "posix" and os.geteuid() == 0
        else ["unshare", "--map-root-user", "--mount"]
    )
    probe = 'mkdir "$1"/probe && mount -t tmpfs none "$1"/probe'
    try:
        subprocess.run([*alone, "sh", "-c", probe, "-", str(tmp_path)], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    archive(tmp_path / "photos", 15)
    shutil.copy(model, tmp_path / "model.safetensors")
    done = subprocess.run(
        [*alone, "bash", "-c", REAL, "-", str(tmp_path)],
        capture_output=True, text=True, timeout=200, env={**os.environ, "PYTHON": sys.executable},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    code, error, status = done.stdout.split("\n", 2)
    assert code == "1"
    assert error.startswith(
        f"Error: no disk is mounted on {tmp_path / 'root' / 'disk'}, but the index knows 5 photos there"
    )
    assert "--allow-empty" in error
    counts = json.loads(status)["photos"]
    assert (counts["indexed"], counts["gone"]) == (10, 5)
