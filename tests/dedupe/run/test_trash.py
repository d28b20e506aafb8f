import os
import sys
from urllib.parse import quote

import pytest

from retrieval.dedupe.run import trash

pytestmark = pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="this system does not say where files went")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for name in ("files", "info"):
        (tmp_path / "Trash" / name).mkdir(parents=True)
    return tmp_path / "Trash"


def put(home, name, path, mtime_s):
    (home / "files" / name).write_bytes(name.encode())
    info = home / "info" / f"{name}{trash.INFO_SUFFIX}"
    info.write_text(f"[Trash Info]\nPath={quote(os.fsencode(path))}\nDeletionDate=2026-11-24T08:00:00\n")
    os.utime(info, (mtime_s, mtime_s))


def test_the_last_of_several_files_of_one_path_is_found(home, tmp_path):
    path = tmp_path / "photos" / "Kühe 1.jpg"
    put(home, "Kühe 1.jpg", path, 1_000)
    put(home, "Kühe 1.2.jpg", path, 2_000)
    put(home, "Kühe 1.3.jpg", tmp_path / "elsewhere" / "Kühe 1.jpg", 3_000)
    assert trash.find(path) == home / "files" / "Kühe 1.2.jpg"
    trash.forget(home / "files" / "Kühe 1.2.jpg")
    assert trash.find(path) == home / "files" / "Kühe 1.jpg"


def test_a_record_without_its_file_and_a_damaged_record_are_passed_over(home, tmp_path):
    path = tmp_path / "a.jpg"
    put(home, "a.jpg", path, 1_000)
    (home / "files" / "a.jpg").unlink()
    (home / "info" / f"a.2.jpg{trash.INFO_SUFFIX}").write_bytes(b"\xff\xfe")
    assert trash.find(path) is None


def test_a_trash_that_is_not_there_holds_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "missing"))
    assert trash.find(tmp_path / "a.jpg") is None
