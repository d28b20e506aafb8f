import os
from pathlib import Path

import pytest

from retrieval.dedupe.run.fingerprint import fingerprint
from retrieval.dedupe.run.journal import Journal
from retrieval.dedupe.run.records import Change, Mode
from retrieval.dedupe.run.restore import check_undoable, restore
from retrieval.errors import RunError


@pytest.fixture
def journal(tmp_path):
    with Journal.create(tmp_path, Mode.MOVE, "plan", {}) as made:
        yield made


def made(tmp_path: Path, mode: Mode) -> Change:
    path, keeper = tmp_path / "a.jpg", tmp_path / "kept.jpg"
    for one, seconds in ((path, 1_000), (keeper, 2_000)):
        one.write_bytes(b"photo")
        os.utime(one, (seconds, seconds))
    target = tmp_path / "held.jpg" if mode == Mode.MOVE else None
    return Change(1, 1, 1, 1, mode, path, target, keeper, True, fingerprint(path))


def test_a_moved_file_comes_back_once_and_again(tmp_path, journal):
    change = made(tmp_path, Mode.MOVE)
    change.path.rename(change.target)
    check_undoable(change)
    for _ in range(2):
        restore(journal, change)
        assert fingerprint(change.path) == change.original
        assert not change.target.exists()


def test_a_copy_or_a_placeholder_of_a_killed_move_is_removed(tmp_path, journal):
    change = made(tmp_path, Mode.MOVE)
    for left in (b"", b"photo"):
        change.target.write_bytes(left)
        restore(journal, change)
        assert not change.target.exists()
        assert fingerprint(change.path) == change.original


def test_another_file_at_either_place_is_kept(tmp_path, journal):
    change = made(tmp_path, Mode.MOVE)
    change.target.write_bytes(b"somebody else's")
    with pytest.raises(RunError, match="is another file"):
        restore(journal, change)
    change.path.rename(tmp_path / "away")
    with pytest.raises(RunError, match="has changed since"):
        restore(journal, change)
    assert change.target.read_bytes() == b"somebody else's"


def test_a_hard_link_becomes_a_file_with_its_own_time(tmp_path, journal):
    change = made(tmp_path, Mode.HARDLINK)
    change.path.unlink()
    os.link(change.keeper, change.path)
    check_undoable(change)
    for _ in range(2):
        restore(journal, change)
        assert not change.path.samefile(change.keeper)
        assert change.path.stat().st_mtime_ns == change.original.mtime_ns
        assert change.keeper.stat().st_mtime == 2_000


def test_a_deleted_file_cannot_be_put_back(tmp_path, journal):
    change = made(tmp_path, Mode.DELETE)
    restore(journal, change)  # it was not deleted yet
    change.path.unlink()
    for refuse in (lambda: check_undoable(change), lambda: restore(journal, change)):
        with pytest.raises(RunError, match="deleted permanently"):
            refuse()


def test_a_half_made_copy_is_removed(tmp_path, journal):
    change = made(tmp_path, Mode.MOVE)
    change.path.rename(change.target)
    temporary = journal.temporary_path(change, tmp_path)
    temporary.write_bytes(b"pho")
    restore(journal, change)
    assert not temporary.exists()
    assert fingerprint(change.path).sha256 == change.original.sha256
