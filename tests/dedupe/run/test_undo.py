import contextlib
import os
import sys

import pytest
from photos import photo
from removals import Library, group, plan, rows, tree

from retrieval.dedupe.plan.records import Kind
from retrieval.dedupe.run.apply import apply
from retrieval.dedupe.run.fingerprint import read_extended
from retrieval.dedupe.run.journal import find_journal
from retrieval.dedupe.run.records import ApplyOptions, Mode, State
from retrieval.dedupe.run.undo import runs, undo
from retrieval.errors import IndexLockedError, Interrupted, Remedy, RunError
from retrieval.lock import writing


@pytest.fixture
def library(index, tmp_path):
    return Library(index, tmp_path / "archive")


@pytest.fixture
def copies(library):
    """A photo and three copies."""
    kept = photo(library.root / "kept.jpg", 1)
    return kept, *(library.file(f"copies/{name}.jpg", kept.read_bytes()) for name in "abc")


def held(library, report, name):
    return library.root / ".retrieval-held" / report.run / name


def test_what_is_in_the_way_or_has_changed_or_is_gone_is_left_and_the_rest_comes_back(library, copies):
    kept, a, b, c = copies
    store = library.store()
    report = apply(store, plan(group(1, kept, a, b, c)))
    a.write_bytes(b"somebody's new photo")
    held(library, report, "copies/b.jpg").write_bytes(b"edited where it is held")
    back = undo(store)
    assert (back.photos, sorted(skipped.path for skipped in back.skipped)) == (1, [a, b])
    told = {skipped.path: skipped for skipped in back.skipped}
    assert (told[a].remedy, told[b].remedy) == (Remedy.MAKE_ROOM_AND_UNDO, Remedy.MOVE_BACK_BY_HAND)
    assert str(held(library, report, "copies/a.jpg")) in told[a].what  # where it is
    assert str(held(library, report, "copies/b.jpg")) in told[b].what
    assert a.read_bytes() == b"somebody's new photo"
    assert held(library, report, "copies/a.jpg").read_bytes() == kept.read_bytes()
    assert held(library, report, "copies/b.jpg").read_bytes() == b"edited where it is held"
    assert c.read_bytes() == kept.read_bytes()
    assert [one.state for one in runs(store)] == ["partly undone"]

    a.unlink()
    held(library, report, "copies/b.jpg").unlink()
    back = undo(store)  # what was in the way is gone
    assert (back.photos, [skipped.path for skipped in back.skipped]) == (1, [b])
    assert "is missing" in back.skipped[0].reason
    assert not (library.root / ".retrieval-held").exists()
    store.close()


def test_undone_twice_is_harmless(library, copies):
    store, before = library.store(), tree(library.root)
    known = rows(store)
    report = apply(store, plan(group(1, *copies)))
    assert undo(store).photos == 3
    again = undo(store)
    assert (again.run, again.photos, again.skipped) == (report.run, 0, [])
    assert tree(library.root) == before
    assert rows(store) == known
    assert [(one.run, one.mode, one.files, one.state) for one in runs(store)] == [(report.run, Mode.MOVE, 3, "undone")]
    store.close()


def test_one_run_of_several_is_undone_by_its_name(library, copies):
    kept, a, b, _ = copies
    store, before = library.store(), tree(library.root)
    first = apply(store, plan(group(1, kept, a)))
    second = apply(store, plan(group(1, kept, b)), ApplyOptions(Mode.HARDLINK))
    assert [(one.run, one.size) for one in runs(store)] == [(run.run, kept.stat().st_size) for run in (first, second)]
    assert undo(store, first.run).photos == 1
    assert (a.exists(), b.samefile(kept)) == (True, True)
    assert undo(store).photos == 1
    assert tree(library.root) == before
    with pytest.raises(RunError, match="no run 2001"):
        undo(store, "2001-01-01T00-00-00")
    store.close()


def test_there_is_nothing_to_undo(library, copies):
    store = library.store()
    with pytest.raises(RunError, match="nothing to undo"):
        undo(store)
    assert list(runs(store)) == []
    store.close()


def test_an_interrupted_undo_goes_on(library, copies):
    store, before = library.store(), tree(library.root)
    apply(store, plan(group(1, *copies)))

    def interrupt(_progress):
        raise Interrupted

    first = undo(store, progress=interrupt)
    assert (first.interrupted, first.photos) == (True, 1)
    assert [one.state for one in runs(store)] == ["partly undone"]
    assert undo(store).photos == 2
    assert tree(library.root) == before
    store.close()


def test_a_dry_run_tells_and_changes_nothing(library, copies):
    store = library.store()
    report = apply(store, plan(group(1, *copies)))
    copies[1].write_bytes(b"in the way")
    before = tree(library.root.parent)
    told = undo(store, dry_run=True)
    assert (told.run, told.photos, len(told.skipped), told.dry_run) == (report.run, 2, 1, True)
    assert tree(library.root.parent) == before
    store.close()


def test_a_folder_that_vanished_is_made_again(library, copies):
    store, before = library.store(), tree(library.root)
    apply(store, plan(group(1, *copies)))
    (library.root / "copies").rmdir()
    assert undo(store).photos == 3
    assert tree(library.root) == before
    store.close()


def test_folders_that_hold_other_things_stay(library, copies):
    store = library.store()
    report = apply(store, plan(group(1, *copies)))
    note = held(library, report, "note.txt")
    note.write_text("mine")
    undo(store)
    assert note.read_text() == "mine"
    assert not held(library, report, "copies").exists()
    store.close()


def test_a_linked_file_that_was_edited_since_stays(library, copies):
    kept, a, *_ = copies
    store = library.store()
    apply(store, plan(group(1, kept, a)), ApplyOptions(Mode.HARDLINK))
    a.write_bytes(b"edited through the link")
    back = undo(store)
    assert "has changed since" in back.skipped[0].what
    assert back.skipped[0].remedy is Remedy.SEPARATE_BY_HAND
    assert a.samefile(kept)
    store.close()


def test_a_linked_file_whose_keeper_moved_on_gets_bytes_of_its_own(library, copies):
    kept, a, b, _ = copies
    store, known = library.store(), a.stat().st_mtime_ns
    apply(store, plan(group(1, kept, a)), ApplyOptions(Mode.HARDLINK))
    kept.rename(library.root / "renamed.jpg")
    assert undo(store).photos == 1
    assert not a.samefile(library.root / "renamed.jpg")
    assert (a.stat().st_mtime_ns, a.read_bytes()) == (known, b.read_bytes())
    store.close()


def test_a_photo_that_was_indexed_where_it_is_held_comes_back_to_its_row(library, copies, model, tmp_path):
    """The row went along to the holding folder, because someone indexed that."""
    from retrieval import Index

    kept = copies[0]
    small = photo(library.root / "small.jpg", 1, (48, 32))
    store, target = library.store(), tmp_path / "held"
    known = rows(store)
    apply(store, plan(group(1, kept, small, kind=Kind.NEAR)), ApplyOptions(to=target, kinds=frozenset((Kind.NEAR,))))
    with Index.open(library.folder, model=str(model), device="cpu") as index:
        assert index.add(target).moved == 1
    assert b"small.jpg" not in rows(store)
    undo(store)
    assert rows(store)[b"small.jpg"] == known[b"small.jpg"]
    assert store.catalogue.integrity.findings() == []
    store.close()


def test_another_writer_is_waited_for_by_the_person(library, copies):
    store = library.store()
    apply(store, plan(group(1, *copies)))
    with writing(library.folder), pytest.raises(IndexLockedError):
        undo(store)
    assert not copies[1].exists()
    store.close()


def test_what_a_kill_left_half_restored_is_finished_by_apply_as_well(library, copies, monkeypatch):
    kept, a, b, _ = copies
    store, before = library.store(), tree(library.root)
    first = apply(store, plan(group(1, kept, a)))
    real = os.replace

    def die(source, target):
        if target == a:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        undo(store)
    monkeypatch.undo()
    assert a.stat().st_size == 0  # the placeholder
    assert len(find_journal(library.folder, None).in_state(State.UNDOING)) == 1
    report = apply(store, plan(group(9, kept, b)))
    assert a.read_bytes() == kept.read_bytes()
    undo(store, report.run)
    assert (undo(store, first.run).photos, tree(library.root)) == (0, before)  # only its empty folders were left
    store.close()


def test_a_disk_that_is_mounted_elsewhere_by_now(library, copies):
    store, before = library.store(), tree(library.root)
    apply(store, plan(group(1, *copies)))
    elsewhere = library.root.parent / "mounted elsewhere"
    library.root.rename(elsewhere)
    told = undo(store)
    assert (told.photos, len(told.skipped)) == (0, 3)
    assert "mount its disk" in told.skipped[0].reason
    assert not library.root.exists()

    store.save(store.manifest.relocated("archive", elsewhere))
    assert undo(store, dry_run=True).photos == 3
    assert undo(store).photos == 3
    assert tree(elsewhere) == before
    store.close()


def test_nothing_is_written_into_an_empty_mount_point(library, copies, tmp_path):
    store = library.store()
    apply(store, plan(group(1, *copies)), ApplyOptions(to=tmp_path / "held"))
    library.root.rename(tmp_path / "unplugged")
    library.root.mkdir()
    assert "mount its disk" in undo(store).skipped[0].reason
    assert list(library.root.iterdir()) == []
    store.close()


def attributes(path):
    """Return what a file has besides its bytes."""
    found = path.lstat()
    return found.st_uid, found.st_gid, found.st_mode, found.st_mtime_ns, read_extended(path)


@pytest.fixture
def marked(copies):
    """A copy with another owner, where the test may say so, with permissions and an attribute of its own."""
    path = copies[1]
    if os.geteuid() == 0:
        os.chown(path, 12345, 23456)
    path.chmod(0o604)
    if hasattr(os, "setxattr"):
        with contextlib.suppress(OSError):  # a file system without them
            os.setxattr(path, "user.rating", b"five\xff stars")
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="no owners in numbers")
@pytest.mark.parametrize("where", ["same disk", "other disk"])
def test_owner_permissions_times_and_extended_attributes_come_back(library, copies, marked, elsewhere, where):
    before, store = attributes(marked), library.store()
    target = elsewhere if where == "other disk" else library.root.parent / "held"
    apply(store, plan(group(1, copies[0], marked)), ApplyOptions(to=target))
    kept = target / "archive" / "copies" / "a.jpg"
    assert attributes(kept) == before
    if os.geteuid() == 0:
        os.chown(kept, 0, 0)  # a disk that knows no owners and no attributes, or a user who changed them
    kept.chmod(0o777)
    os.utime(kept, ns=(0, 0))
    for name in before[-1]:
        os.removexattr(kept, name)
    assert undo(store).photos == 1
    assert attributes(marked) == before
    store.close()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives files to other users")
def test_a_hard_link_that_is_undone_has_its_own_owner_again(library, copies, marked):
    before, store = attributes(marked), library.store()
    apply(store, plan(group(1, copies[0], marked)), ApplyOptions(Mode.HARDLINK))
    assert undo(store).photos == 1
    assert attributes(marked) == before
    store.close()
