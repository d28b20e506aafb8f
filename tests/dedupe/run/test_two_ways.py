"""One file that is reached by two ways is one file: nothing is lost, whatever a plan says about the two."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from two_ways import PHOTOS

PROGRAM = Path(__file__).parents[2] / "two_ways.py"


def can_mount() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    return (
        subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not can_mount(), reason="only root on Linux may mount file systems in a namespace of its own")
@pytest.mark.parametrize("way", ["bind", "overlay", "overlay-devices"])
@pytest.mark.parametrize(("keeper", "mode"), [("photos", "delete"), ("shown", "delete"), ("shown", "move")])
def test_no_photo_loses_its_only_file(tmp_path, model, way, keeper, mode):
    for name in ("photos", "memory"):
        (tmp_path / name).mkdir()
    for name, content in PHOTOS.items():
        (tmp_path / "photos" / name).write_bytes(content)
    words = ["unshare", "-m", "--propagation", "private", sys.executable, PROGRAM, way, mode, keeper, tmp_path, model]

    done = subprocess.run(list(map(str, words)), capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    if (way, keeper) != ("overlay-devices", "photos"):  # there a file is copied to the layer above before it goes
        assert "one file" in done.stdout
        assert "photos=0" in done.stdout
