import shutil

import pytest
from removals import Library, tree

from retrieval.dedupe.run.fingerprint import fingerprint
from retrieval.dedupe.run.journal import Journal
from retrieval.dedupe.run.records import Change, Mode, State
from retrieval.dedupe.run.recovery import recover, refuse_unmounted
from retrieval.dedupe.run.report import RunReport
from retrieval.errors import Remedy, RunError


@pytest.fixture
def library(index, tmp_path):
    return Library(index, tmp_path / "archive")


@pytest.fixture
def shot(library):
    """A photo with its sidecar, about to move together, and a photo that stays."""
    library.file("kept.jpg", "photo")
    paths = [library.file("a.xmp", "edits"), library.file("a.jpg", "photo")]
    held = library.root / ".retrieval-held"
    return [
        Change(
            number,
            1,
            2,
            1,
            Mode.MOVE,
            path,
            held / path.name,
            library.root / "kept.jpg",
            number == 2,
            fingerprint(path),
        )
        for number, path in enumerate(paths, start=1)
    ]


def moved(change):
    change.target.parent.mkdir(exist_ok=True)
    shutil.move(change.path, change.target)


def test_a_half_moved_shot_is_rolled_back(library, shot):
    store, before = library.store(), tree(library.root)
    with Journal.create(library.folder, Mode.MOVE, "plan", {}) as journal:
        for change in shot:
            journal.begin(change)
            moved(change)
            if change is shot[0]:
                journal.finish(1)  # killed before the second was recorded as done
        report = RunReport(Mode.MOVE)
        recover(store, journal, report)
        assert report.skipped == []
        assert set(journal.states.values()) == {State.VOID}
    (library.root / ".retrieval-held").rmdir()
    assert tree(library.root) == before
    store.close()


def test_a_shot_that_is_wholly_moved_stays_moved(library, shot):
    store = library.store()
    with Journal.create(library.folder, Mode.MOVE, "plan", {}) as journal:
        for change in shot:
            journal.begin(change)
            moved(change)
            journal.finish(change.number)
        recover(store, journal, RunReport(Mode.MOVE))
        assert set(journal.states.values()) == {State.DONE}
    assert all(change.target.exists() for change in shot)
    store.close()


def test_what_cannot_be_put_back_is_reported(library, shot):
    store = library.store()
    with Journal.create(library.folder, Mode.MOVE, "plan", {}) as journal:
        journal.begin(shot[1])
        moved(shot[1])
        shot[1].path.write_bytes(b"a new photo of that name")
        report = RunReport(Mode.MOVE)
        recover(store, journal, report)
    assert [one.path for one in report.skipped] == [shot[1].path]
    assert shot[1].path.read_bytes() == b"a new photo of that name"
    assert shot[1].target.read_bytes() == b"photo"
    store.close()


def test_an_empty_mount_point_is_left_alone(library, shot):
    store = library.store()
    shutil.rmtree(library.root)
    library.root.mkdir()
    with (
        Journal.create(library.folder, Mode.MOVE, "plan", {}) as journal,
        pytest.raises(RunError, match="missing or empty") as caught,
    ):
        refuse_unmounted(store, journal, shot[1])
    assert caught.value.remedy is Remedy.MOUNT_AND_UNDO
    store.close()
