import os
from pathlib import Path

import pytest

from retrieval.archive.mounts import device_of, is_mount
from retrieval.archive.walk import Walk


def devices(*disks: Path):
    """Every folder's device, as if disks were mounted on some folders."""

    def device(path: Path) -> int:
        os.lstat(path)  # raises for what is missing
        return max((len(disk.parts) for disk in disks if path.is_relative_to(disk)), default=0)

    return device


def test_a_plain_folder_is_no_mount(tmp_path):
    (tmp_path / "a").mkdir()
    assert not is_mount(tmp_path / "a")
    assert not is_mount(tmp_path / "missing")
    assert device_of(tmp_path / "a") == device_of(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="needs Linux")
def test_a_real_mount():
    assert is_mount(Path("/proc"))


@pytest.mark.parametrize(
    ("start", "mounts"),
    [
        ("", ["disk", "disk/inner", "z/deep"]),
        ("disk", ["disk", "disk/inner"]),
        ("disk/inner", ["disk/inner"]),
        ("disk/plain", []),
        ("z", ["z/deep"]),
    ],
)
def test_a_walk_notes_the_mounts_that_it_meets(tmp_path, start, mounts):
    root = tmp_path / "root"
    for name in ("disk/inner", "disk/plain/below", "z/deep/below", "plain"):
        (root / name).mkdir(parents=True)
        (root / name / "a.jpg").write_bytes(b"x")
    device = devices(root, *(root / name for name in ("disk", "disk/inner", "z/deep")))
    walk = Walk(root, root / start, device_of=device)
    assert list(walk)
    assert walk.mounts == mounts
