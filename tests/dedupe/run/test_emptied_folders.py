"""An archive folder that a run has emptied is not one whose disk is missing; a disk inside a folder may be missing."""

from dataclasses import replace

import pytest
from photos import photo
from removals import Library, group, plan, tree

from retrieval.dedupe.run.apply import apply
from retrieval.dedupe.run.journal import find_journal
from retrieval.dedupe.run.records import ApplyOptions, Mode
from retrieval.dedupe.run.undo import undo
from retrieval.errors import Interrupted, Remedy
from retrieval.store import Store


@pytest.fixture
def archive(index, tmp_path):
    """An archive, and a folder that has copies of its photos and nothing else."""
    library = Library(index, tmp_path / "archive")
    pairs = []
    (tmp_path / "inbox").mkdir()
    for number in range(3):
        kept = photo(library.root / f"{number}.jpg", number)
        copy = tmp_path / "inbox" / kept.name
        copy.write_bytes(kept.read_bytes())
        pairs.append((kept, copy))
    library.file("more.jpg", (library.root / "0.jpg").read_bytes())
    index.add(library.root, tmp_path / "inbox")
    index.close()
    store = Store.open(index.folder)
    yield store, plan(*(group(number, *pair) for number, pair in enumerate(pairs, start=1)))
    store.close()


@pytest.fixture
def options(tmp_path):
    return ApplyOptions(to=tmp_path / "held")


def test_what_left_a_folder_empty_comes_back(archive, options, tmp_path):
    store, made = archive
    before = tree(tmp_path / "inbox")
    apply(store, made, options)
    assert tree(tmp_path / "inbox") == {}
    assert undo(store, dry_run=True).photos == 3
    report = undo(store)
    assert (report.photos, report.skipped) == (3, [])
    assert tree(tmp_path / "inbox") == before


def test_a_run_that_had_emptied_a_folder_resumes(archive, options, tmp_path):
    store, made = archive
    more = group(4, made.groups[0].keeper.path, tmp_path / "archive" / "more.jpg")
    whole = replace(made, groups=(*made.groups, more))

    def interrupt(progress):
        if progress.done == 3:
            raise Interrupted

    assert apply(store, whole, options, interrupt).interrupted
    assert tree(tmp_path / "inbox") == {}
    report = apply(store, whole, options)
    assert (report.resumed, report.photos, report.skipped) == (True, 1, [])


def test_an_empty_folder_of_which_photos_are_known_is_where_a_disk_is_missing(archive, options, tmp_path):
    store, made = archive
    apply(store, replace(made, groups=made.groups[:2]), options)
    (tmp_path / "inbox").rename(tmp_path / "unplugged")
    (tmp_path / "inbox").mkdir()
    report = undo(store)
    assert [one.remedy for one in report.skipped] == [Remedy.MOUNT_AND_UNDO] * 2
    assert tree(tmp_path / "inbox") == {}


def test_a_journal_that_does_not_tell_mount_points_from_folders(archive, options, tmp_path):
    """As version 0.1.0 wrote it: an empty folder may then be either."""
    store, made = archive
    apply(store, made, options)
    path = find_journal(store.folder, None).path
    lines = path.read_text().splitlines(keepends=True)
    assert '"plain_roots": ["archive", "inbox"]' in lines[0]
    path.write_text("".join([lines[0].replace(', "plain_roots": ["archive", "inbox"]', ""), *lines[1:]]))
    assert [one.remedy for one in undo(store).skipped] == [Remedy.MOUNT_AND_UNDO] * 3
    (tmp_path / "inbox" / "note.txt").write_text("here it is")
    assert undo(store).photos == 3


@pytest.mark.parametrize("mode", [Mode.MOVE, Mode.TRASH])
def test_nothing_is_put_where_a_disk_inside_a_folder_is_missing(index, tmp_path, mode, request):
    if mode is Mode.TRASH:
        request.getfixturevalue("trash")
    library = Library(index, tmp_path / "archive")
    kept = photo(library.root / "kept.jpg", 1)
    copy = library.file("disk/2020/copy.jpg", kept.read_bytes())
    store = library.store()
    report = apply(store, plan(group(1, kept, copy)), ApplyOptions(mode))
    assert report.photos == 1
    copy.parent.rmdir()  # what is mounted on "disk" is not there: an empty folder is
    store.save(replace(store.manifest, mounts={"archive": ("disk",)}))
    for _ in range(2):
        left = undo(store)
        assert [one.remedy for one in left.skipped] == [Remedy.MOUNT_AND_UNDO]
        assert f"no disk is mounted on {library.root / 'disk'}" in left.skipped[0].what
        assert list((library.root / "disk").iterdir()) == []
    store.save(replace(store.manifest, mounts={}))
    assert undo(store).photos == 1
    assert copy.read_bytes() == kept.read_bytes()
    store.close()
