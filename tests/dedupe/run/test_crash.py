"""`apply` and `undo` are killed at every point there is: no byte is lost, and all of it can be taken back."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from photos import photo
from removals import Library, group, plan

from retrieval import Index


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "wishes",
    [
        ["move"],
        ["hardlink"],
        ["delete"],
        pytest.param(["move", "across"], marks=pytest.mark.slow),
        pytest.param(["trash"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_no_kill_loses_a_byte(index: Index, tmp_path, wishes):
    if "trash" in wishes and sys.platform != "linux":
        pytest.skip("only the freedesktop trash can be read")
    library = Library(index, tmp_path / "archive")
    kept = photo(library.root / "a" / "kept.jpg", 1)
    copy = library.file("b/copy.jpg", kept.read_bytes())
    library.file("b/copy.xmp", "edits")
    library.file("b/empty.xmp", "")
    raw, jpeg = library.file("a/IMG_1.CR2", "raw bytes"), photo(library.root / "a" / "IMG_1.JPG", 2)
    raw_copy = library.file("b/c/IMG_1.CR2", raw.read_bytes(), 1_500_000_000)
    jpeg_copy = library.file("b/c/IMG_1.JPG", jpeg.read_bytes(), 1_500_000_001)
    library.file("b/c/IMG_1.CR2.xmp", "")
    library.store().close()
    made = plan(group(1, kept, copy), group(2, raw, raw_copy), group(3, jpeg, jpeg_copy))
    (tmp_path / "plan").write_bytes(pickle.dumps(made))

    program = [sys.executable, str(Path(__file__).parents[2] / "kill_points.py")]
    words = [library.root, library.folder, tmp_path / "plan", *wishes]
    home = tmp_path / "home"  # the trash must be on the archive's own disk
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "XDG_DATA_HOME"} | {"HOME": str(home)}
    done = subprocess.run([*program, *map(str, words)], capture_output=True, text=True, env=environment)

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[:-1] == []
    assert int(lines[-1]) > 50
