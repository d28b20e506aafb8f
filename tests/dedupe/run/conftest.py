"""What tests of runs share: a folder on another file system, and a trash."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def elsewhere():
    """A folder on another file system."""
    memory = Path("/dev/shm")  # only Linux has it
    if not memory.is_dir() or memory.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("no second file system at hand")
    folder = Path(tempfile.mkdtemp(dir=memory))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def trash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trash of the test's own, on the disk of its files."""
    if sys.platform != "linux":
        pytest.skip("only the freedesktop trash can be read")
    import send2trash.plat_other as plat  # it reads the environment when it is imported

    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(data))
    monkeypatch.setattr(plat, "XDG_DATA_HOME", os.fsencode(data))
    monkeypatch.setattr(plat, "HOMETRASH_B", os.fsencode(data / "Trash"))
    monkeypatch.setattr(plat, "get_dev", lambda _path: 1)
    return data / "Trash"
