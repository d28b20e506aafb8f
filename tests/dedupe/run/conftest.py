"""What tests of runs share: a folder on another file system."""

import shutil
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
