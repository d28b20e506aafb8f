import errno
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import live_photos
import pytest
from catalogues import sql
from photos import photo
from removals import Library, group, plan, planned, rows, tree

from retrieval.dedupe.plan.records import Action, Kind, Member
from retrieval.dedupe.run.apply import apply
from retrieval.dedupe.run.journal import find_journal, journals
from retrieval.dedupe.run.records import ApplyOptions, Mode, State
from retrieval.dedupe.run.undo import undo
from retrieval.errors import IndexLockedError, Interrupted, PlanError, Remedy, RunError
from retrieval.lock import writing

HARD = ApplyOptions(Mode.HARDLINK)
DELETE = ApplyOptions(Mode.DELETE)
NEAR = ApplyOptions(kinds=frozenset((Kind.EXACT, Kind.NEAR)))


@pytest.fixture
def library(index, tmp_path):
    return Library(index, tmp_path / "archive")


@pytest.fixture
def pair(library):
    """A photo, and its copy in another folder."""
    kept = photo(library.root / "a" / "kept.jpg", 1)
    return kept, library.file("b/copy.jpg", kept.read_bytes())


def held(library: Library, run: str | None, name: str) -> Path:
    return library.root / ".retrieval-held" / str(run) / name


def reasons(report) -> list[str]:
    return [skipped.reason for skipped in report.skipped]


def nothing_done(report) -> bool:
    return (report.run, report.photos, report.sidecars, report.size) == (None, 0, 0, 0)


def test_a_copy_goes_to_a_hidden_folder_of_its_root_and_can_come_back(library, pair):
    kept, copy = pair
    store, before = library.store(), tree(library.root)
    known, size = rows(store), copy.stat().st_size
    report = apply(store, plan(group(1, kept, copy)))
    where = held(library, report.run, "b/copy.jpg")
    assert (report.photos, report.sidecars, report.size, report.skipped) == (1, 0, size, [])
    assert report.folders == {library.root / ".retrieval-held" / report.run}
    assert not copy.exists()
    assert tree(where.parent)["copy.jpg"] == before["b/copy.jpg"]
    assert rows(store)[b"b/copy.jpg"][0] == "gone"
    assert rows(store)[b"a/kept.jpg"] == known[b"a/kept.jpg"]

    back = undo(store)
    assert (back.run, back.photos, back.size, back.skipped) == (report.run, 1, size, [])
    assert tree(library.root) == before
    assert rows(store) == known
    store.close()


def test_indexing_finds_nothing_new_after_apply_and_after_undo(library, pair, model):
    from retrieval import Index

    store = library.store()
    for work in (lambda: apply(store, plan(group(1, *pair))), lambda: undo(store)):
        work()
        known = rows(store)
        with Index.open(library.folder, model=str(model), device="cpu") as index:
            report = index.add()
            assert (report.added, report.changed, report.moved, report.returned, report.embedded) == (0, 0, 0, 0, 0)
            assert index.verify().sound
        assert rows(store) == known
    store.close()


def test_the_only_copy_that_search_shows_is_masked_and_comes_back(library):
    kept, small = photo(library.root / "kept.png", 1), photo(library.root / "small.jpg", 1, (48, 32))
    store = library.store()
    apply(store, plan(group(1, kept, small, kind=Kind.NEAR)), NEAR)
    assert rows(store)[b"small.jpg"][-1] == 0
    assert store.catalogue.photos.counts().dead == 1
    undo(store)
    assert rows(store)[b"small.jpg"][-1] == 1
    store.close()


def test_a_folder_of_choice_numbers_what_is_taken_and_overwrites_nothing(library, pair, tmp_path):
    kept, copy = pair
    library.file("b/copy.xmp", "edits")
    library.file("b/copy.jpg.pp3", "more edits")
    store, before, target = library.store(), tree(library.root), tmp_path / "held"
    taken = target / "archive" / "b" / "copy.xmp"
    taken.parent.mkdir(parents=True)
    taken.write_text("somebody's")
    report = apply(store, plan(group(1, kept, copy)), ApplyOptions(to=target))
    assert sorted(tree(target / "archive" / "b")) == ["copy (2).jpg", "copy (2).jpg.pp3", "copy (2).xmp", "copy.xmp"]
    assert (report.photos, report.sidecars, report.folders) == (1, 2, {target})
    assert taken.read_text() == "somebody's"
    undo(store)
    assert tree(library.root) == before
    assert sorted(tree(target)) == ["archive", "archive/b", "archive/b/copy.xmp"]  # only what the run made is removed
    store.close()


def test_a_folder_inside_the_archive_keeps_the_photos_row(library, pair):
    kept, copy = pair
    store = library.store()
    known = rows(store)
    apply(store, plan(group(1, kept, copy)), ApplyOptions(to=library.root / "later"))
    assert rows(store)[b"later/archive/b/copy.jpg"] == known[b"b/copy.jpg"]
    assert b"b/copy.jpg" not in rows(store)
    undo(store)
    assert rows(store) == known
    store.close()


def test_names_of_every_kind(library):
    names = [b"new\nline.jpg", b"caf\xe9 \xff.jpg", b"-n.jpg", b"x" * 251 + b".jpg", "é\u202e.jpg".encode(), b" .jpg"]
    if sys.platform != "linux":
        names = [name for name in names if b"\xff" not in name]
    groups = []
    for number, name in enumerate(names, start=1):
        kept = library.file(b"kept/" + name, os.fsencode(f"photo {number}"))
        copy = library.file(b"copies/" + name, kept.read_bytes())
        groups.append(group(number, kept, copy))
    store, before = library.store(), tree(library.root)
    target = library.root.parent / "held"
    for _ in range(2):  # the second time the names are taken, and the long one has to be cut
        report = apply(store, plan(*groups), ApplyOptions(to=target))
        assert (report.photos, report.skipped) == (len(names), [])
        for path in (library.root / "kept").iterdir():
            shutil.copy2(path, library.root / "copies" / path.name)
            os.utime(library.root / "copies" / path.name, ns=(0, path.stat().st_mtime_ns))
    assert sorted(os.listdir(library.root / "copies")) == sorted(os.listdir(library.root / "kept"))
    assert len(os.listdir(target / "archive" / "copies")) == 2 * len(names)
    shutil.rmtree(library.root / "copies")
    assert undo(store).photos == len(names)
    assert tree(library.root) == before
    store.close()


def test_a_shot_moves_as_one(library):
    raw, jpeg = library.file("a/IMG_1.CR2", "raw"), photo(library.root / "a/IMG_1.JPG", 1)
    shot = [library.file("b/IMG_1.CR2", "raw"), library.file("b/IMG_1.JPG", jpeg.read_bytes())]
    shot += [library.file(f"b/{name}", name) for name in ("IMG_1.xmp", "IMG_1.CR2.xmp", "IMG_1.jpg.json")]
    stranger = library.file("b/img_1.MOV", "a video of another camera")
    other = library.file("b/IMG_10.xmp", "another's")
    library.file("a/IMG_1.xmp", "the keeper's")
    store, before = library.store(), tree(library.root)
    report = apply(store, plan(group(1, raw, shot[0]), group(2, jpeg, shot[1])))
    assert (report.photos, report.sidecars, report.skipped) == (2, 3, [])
    assert sorted(held(library, report.run, "b").iterdir()) == sorted(
        held(library, report.run, f"b/{path.name}") for path in shot
    )
    assert sorted((library.root / "b").iterdir()) == [other, stranger]
    assert len(list((library.root / "a").iterdir())) == 3
    undo(store)
    assert tree(library.root) == before
    store.close()


@pytest.mark.parametrize("twin", ["kept", "unplanned", "other kind", "changed"])
def test_a_shot_stays_whole_where_part_of_it_has_no_copy_that_stays(library, twin):
    raw, jpeg = library.file("a/IMG_1.CR2", "raw"), photo(library.root / "a/IMG_1.JPG", 1)
    raw_copy, jpeg_copy = library.file("b/IMG_1.CR2", "raw"), library.file("b/IMG_1.JPG", jpeg.read_bytes())
    groups = [group(1, jpeg, jpeg_copy)]
    if twin != "unplanned":
        kind = Kind.NEAR if twin == "other kind" else Kind.EXACT
        action = Action.KEEP if twin == "kept" else Action.REMOVE
        groups.append(group(2, raw, raw_copy, kind=kind, action=action))
    store = library.store()
    if twin == "changed":
        raw_copy.write_text("RAW")
    before = tree(library.root)
    report = apply(store, plan(*groups))
    assert nothing_done(report)
    assert "IMG_1.CR2" in reasons(report)[0]
    if twin != "changed":
        assert "its RAW IMG_1.CR2 has no copy that stays" in reasons(report)[0]
    assert tree(library.root) == before
    store.close()


@pytest.mark.parametrize("call", ["rename", "replace"], ids=["claim", "move"])
def test_one_file_that_cannot_be_moved_keeps_its_whole_shot(library, pair, monkeypatch, call):
    library.file("b/copy.xmp", "edits")
    store, before = library.store(), tree(library.root)
    real = getattr(os, call)

    def refuse(source, target):
        if "copy.jpg" in (Path(source).name, Path(target).name):
            raise PermissionError(errno.EACCES, "Permission denied", str(source))
        real(source, target)

    monkeypatch.setattr(os, call, refuse)
    report = apply(store, plan(group(1, *pair)))
    assert (report.photos, report.sidecars) == (0, 0)
    assert "Permission denied" in reasons(report)[0]
    monkeypatch.undo()
    undo(store)
    assert tree(library.root) == before
    assert [row[0] for row in rows(store).values()] == ["indexed", "indexed"]
    store.close()


@pytest.mark.parametrize("mode", [Mode.MOVE, Mode.HARDLINK, Mode.DELETE])
@pytest.mark.parametrize("which", [0, 1], ids=["keeper", "member"])
@pytest.mark.parametrize("change", ["bytes", "bytes alone", "time", "gone", "link", "folder"])
def test_what_changed_since_the_plan_is_left_alone(library, pair, mode, which, change):
    others = [photo(library.root / "other.jpg", 5), library.file("other-copy.jpg", b"")]
    others[1].write_bytes(others[0].read_bytes())
    store, made = library.store(), plan(group(1, *pair), group(2, *others))
    path, known = pair[which], pair[which].stat()
    if change.startswith("bytes"):
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        if change == "bytes alone":
            os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    elif change == "time":
        os.utime(path, ns=(1, 1))
    else:
        path.unlink()
        if change == "link":
            path.symlink_to(pair[1 - which])
        elif change == "folder":
            path.mkdir()
    before = tree(library.root)
    report = apply(store, made, ApplyOptions(mode))
    assert str(path) in reasons(report)[0]
    assert (report.photos, [skipped.group for skipped in report.skipped]) == (1, [1])  # the other group is done
    after = tree(library.root)
    assert {name: after[name] for name in before if not name.startswith("other")} == {
        name: facts for name, facts in before.items() if not name.startswith("other")
    }
    store.close()


def test_one_changed_member_keeps_its_group(library, pair):
    second = library.file("c/copy.jpg", pair[0].read_bytes())
    store, made = library.store(), plan(group(1, *pair, second))
    second.write_bytes(b"edited")
    report = apply(store, made)
    assert nothing_done(report)
    assert all(str(second) in reason for reason in reasons(report))
    store.close()


@pytest.mark.parametrize("mode", list(Mode))
def test_one_file_under_two_names_is_left_alone(library, pair, mode):
    kept, copy = pair
    copy.unlink()
    copy.hardlink_to(kept)
    store = library.store()
    before = tree(library.root)
    report = apply(store, plan(group(1, kept, copy)), ApplyOptions(mode))
    assert nothing_done(report)
    assert "are one file" in reasons(report)[0]
    assert tree(library.root) == before
    store.close()


def test_a_path_through_a_link_is_left_alone(library, pair):
    kept, copy = pair
    store, made = library.store(), plan(group(1, kept, copy))
    (library.root / "b").rename(library.root.parent / "b")
    (library.root / "b").symlink_to(library.root.parent / "b")
    report = apply(store, made)
    assert "through a symbolic link" in reasons(report)[0]
    assert copy.exists()
    store.close()


def test_names_that_differ_in_case_alone(library):
    kept = library.file("IMG.jpg", "photo")
    copy = library.file("img.JPG", "photo")
    store = library.store()
    report = apply(store, plan(group(1, kept, copy)))
    if kept.exists() and copy.exists() and kept.samefile(copy):
        assert "are one file" in reasons(report)[0]
    else:
        assert report.photos == 1
        assert kept.exists()
        assert not copy.exists()
    store.close()


def test_a_hard_link_keeps_the_path_and_shares_the_bytes(library, pair):
    kept, copy = pair
    copy.chmod(0o600)
    library.file("b/copy.xmp", "edits")
    store, before = library.store(), tree(library.root)
    known = rows(store)
    report = apply(store, plan(group(1, kept, copy)), HARD)
    assert (report.photos, report.sidecars) == (1, 0)
    assert copy.samefile(kept)
    assert rows(store)[b"b/copy.jpg"][2] == kept.stat().st_mtime_ns
    undo(store)
    assert not copy.samefile(kept)
    assert tree(library.root) == before
    assert copy.stat().st_mode & 0o777 == 0o600
    assert rows(store) == known
    copy.write_bytes(b"edited")
    assert kept.read_bytes() != b"edited"
    store.close()


def test_a_reflink_or_a_clear_line(library, pair):
    store, before = library.store(), tree(library.root)
    report = apply(store, plan(group(1, *pair)), ApplyOptions(Mode.REFLINK))
    assert tree(library.root) == before
    assert report.photos == 1 or "cannot share blocks" in reasons(report)[0] or "not supported" in reasons(report)[0]
    undo(store)
    assert tree(library.root) == before
    store.close()


def test_delete_removes_for_good_but_no_sidecar_that_exists_only_once(library, pair):
    kept, copy = pair
    library.file("a/kept.xmp", "same edits")
    library.file("b/copy.xmp", "same edits")
    only = library.file("b/copy.jpg.xmp", "other edits")
    store = library.store()
    report = apply(store, plan(group(1, kept, copy)), DELETE)
    assert (report.photos, report.sidecars, report.sidecars_held) == (1, 1, 1)
    assert report.size == kept.stat().st_size + len("same edits")  # what the disk has more room for
    assert not copy.exists()
    assert list((library.root / "b").iterdir()) == []
    assert held(library, report.run, "b/copy.jpg.xmp").read_text() == "other edits"
    back = undo(store)
    assert only.read_text() == "other edits"
    assert sorted(reason.split(" was ")[1] for reason in reasons(back)) == 2 * [
        "deleted permanently and cannot be put back"
    ]
    store.close()


def test_trash_and_back(library, pair, trash):
    library.file("b/copy.xmp", "edits")
    odd = library.file("b/100% caf\xe9\n.jpg", pair[0].read_bytes())
    store, before = library.store(), tree(library.root)
    for _ in range(2):
        report = apply(store, plan(group(1, *pair, odd)), ApplyOptions(Mode.TRASH))
        assert (report.photos, report.sidecars, report.skipped) == (2, 1, [])
        assert len(list((trash / "files").iterdir())) == 3
        assert undo(store).skipped == []
        assert tree(library.root) == before
        assert list(trash.glob("*/*")) == []
    store.close()


def test_where_there_is_no_trash_the_file_stays(library, pair, monkeypatch):
    import send2trash

    def refuse(path):
        raise send2trash.TrashPermissionError(str(path))

    monkeypatch.setattr(send2trash, "send2trash", refuse)
    store, before = library.store(), tree(library.root)
    report = apply(store, plan(group(1, *pair)), ApplyOptions(Mode.TRASH))
    assert report.skipped[0].remedy is Remedy.HOLD_INSTEAD
    assert tree(library.root) == before
    store.close()


def test_only_the_kinds_asked_for(library, pair):
    near = photo(library.root / "near.jpg", 2)
    small = photo(library.root / "small.jpg", 2, (48, 32))
    store = library.store()
    made = plan(group(1, *pair), group(2, near, small, kind=Kind.NEAR))
    report = apply(store, made)
    assert (report.photos, report.other_kinds, small.exists()) == (1, {Kind.NEAR: 1}, True)
    report = apply(store, made, ApplyOptions(kinds=frozenset((Kind.NEAR,))))
    assert (report.photos, small.exists()) == (1, False)
    store.close()


@pytest.mark.parametrize("answer", [None, "other pixels", "nobody to ask"])
def test_a_keeper_chosen_by_hand_must_match_as_well(library, answer):
    kept, small = photo(library.root / "kept.jpg", 2), photo(library.root / "small.jpg", 2, (48, 32))
    store = library.store()
    chosen = group(1, small, kept, kind=Kind.NEAR)
    chosen = replace(chosen, members=(Member(planned(kept), Action.REMOVE, ""),))
    asked = []

    def recheck(keeper, member):
        asked.append((keeper, member))
        return answer

    options = replace(NEAR, recheck=None if answer == "nobody to ask" else recheck)
    report = apply(store, plan(chosen), options)
    assert report.photos == (answer is None)
    assert kept.exists() == (answer is not None)
    assert set(asked) <= {(small, kept)}
    if answer:
        assert "chosen by hand" in reasons(report)[0]
    store.close()


def test_a_plan_that_contradicts_itself_changes_nothing(library, pair, tmp_path):
    kept, copy = pair
    third = library.file("third.jpg", kept.read_bytes())
    other = library.file("other.jpg", "other bytes")
    outside = tmp_path / "outside.jpg"
    shutil.copy2(copy, outside)
    protected = replace(group(1, kept), members=(Member(planned(copy, protected=True), Action.REMOVE, "same"),))
    relative = replace(
        group(1, kept), members=(Member(replace(planned(copy), path=Path("b/copy.jpg")), Action.REMOVE, "same"),)
    )
    dotted = replace(planned(copy), path=Path(f"{library.root}/a/../b/copy.jpg"))
    nonsense = {
        "again in group 2": [group(1, kept, copy), group(2, third, copy)],
        "again in group 1": [group(1, kept, copy, copy)],
        f"{kept} is in group 1": [group(1, kept, kept)],
        "keeper of group 2, but group 1 would remove it": [group(1, kept, copy), group(2, copy, third, kind=Kind.NEAR)],
        "group 1 (burst) would remove": [group(1, kept, copy, kind=Kind.BURST)],
        "(raw+jpeg)": [group(1, kept, copy, kind=Kind.RAW_JPEG)],
        "not in a folder of this index": [group(1, kept, outside)],
        "other bytes": [group(1, kept, other)],
        "reference folder": [protected],
        "not an absolute path": [relative],
        f"{str(dotted.path)!r}, not an absolute path": [
            replace(group(1, kept), members=(Member(dotted, Action.REMOVE, "same"),))
        ],
    }
    store, before = library.store(), tree(tmp_path)
    for reason, groups in nonsense.items():
        with pytest.raises(PlanError) as caught:
            apply(store, plan(*groups))
        assert reason in str(caught.value)
        assert caught.value.remedy is Remedy.EDIT_PLAN
    assert tree(library.root) == {name[8:]: facts for name, facts in before.items() if name.startswith("archive/")}
    assert list(journals(library.folder)) == []
    store.close()


def test_a_keeper_may_keep_for_several_groups_and_equal_files_may_follow_each_other(library, pair):
    kept, copy = pair
    small = photo(library.root / "small.jpg", 1, (48, 32))
    small_copy = library.file("small-copy.jpg", small.read_bytes())
    store, before = library.store(), tree(library.root)
    made = plan(group(1, kept, copy), group(2, small, small_copy), group(3, kept, small, kind=Kind.NEAR))
    report = apply(store, made)
    assert (report.photos, report.other_kinds, small.exists()) == (2, {Kind.NEAR: 1}, True)
    undo(store)
    report = apply(store, made, NEAR)
    assert (report.photos, report.skipped) == (3, [])
    assert [path for path in (kept, copy, small, small_copy) if path.exists()] == [kept]
    undo(store)
    assert tree(library.root) == before
    store.close()


def test_wishes_that_do_not_go_together(library, pair):
    store = library.store()
    made = plan(group(1, *pair))
    for options, reason in (
        (ApplyOptions(to=library.root.parent), "back into the archive"),
        (ApplyOptions(Mode.TRASH, to=library.root), "cannot be combined"),
        (ApplyOptions(Mode.HARDLINK, kinds=frozenset((Kind.NEAR,))), "same bytes"),
        (ApplyOptions(to=Path("~nobody-of-that-name/held")), "cannot be the holding folder"),
        (ApplyOptions(to=Path("a\0b")), "cannot be the holding folder"),
        (ApplyOptions(kinds=frozenset((Kind.BURST,))), "never removed"),
    ):
        with pytest.raises(RunError, match=reason):
            apply(store, made, options)
    store.close()


def test_photos_of_a_burst_may_have_copies(library, pair):
    kept, copy = pair
    burst = group(2, kept, copy, kind=Kind.BURST, action=Action.KEEP)
    store = library.store()
    assert apply(store, plan(group(1, kept, copy), burst)).photos == 1
    store.close()


def test_a_reference_folder_is_the_same_to_the_last_byte_after_everything(library, pair):
    reference = [photo(library.root / "reference" / "a.jpg", 1), library.file("reference/a.xmp", "edits")]
    facts = [planned(path) for path in reference]
    store, before = library.store(), tree(library.root / "reference")
    inodes = [path.stat().st_ino for path in reference]
    member = Member(planned(pair[1]), Action.REMOVE, "same bytes")
    made = replace(group(1, reference[0]), keeper=replace(facts[0], protected=True), members=(member,))
    for mode in (Mode.MOVE, Mode.HARDLINK, Mode.REFLINK):
        report = apply(store, plan(made), ApplyOptions(mode))
        assert mode != Mode.HARDLINK or "would change a reference folder" in reasons(report)[0]
        undo(store)
    apply(store, plan(made), DELETE)
    with pytest.raises(RunError, match="reference folder"):
        apply(store, plan(made), ApplyOptions(to=library.root / "reference" / "held"))
    assert tree(library.root / "reference") == before
    assert [path.stat().st_ino for path in reference] == inodes
    store.close()


def test_a_dry_run_checks_and_changes_nothing(library, pair):
    second = library.file("c/second.jpg", pair[0].read_bytes())
    library.file("b/copy.xmp", "edits")
    store, made = library.store(), plan(group(1, *pair), group(2, photo(library.root / "x.jpg", 3), second))
    made = plan(made.groups[0])
    before = tree(library.root.parent)
    report = apply(store, made, ApplyOptions(dry_run=True))
    assert (report.run, report.photos, report.sidecars, report.dry_run) == (None, 1, 1, True)
    assert tree(library.root.parent) == before
    store.close()


def test_two_applies_at_once(library, pair):
    store = library.store()
    with writing(library.folder), pytest.raises(IndexLockedError, match="being written"):
        apply(store, plan(group(1, *pair)))
    assert pair[1].exists()
    store.close()


def test_a_file_that_the_index_does_not_know_is_left_alone(library, pair):
    store = library.store()
    stranger = library.file("stranger.jpg", pair[0].read_bytes())
    report = apply(store, plan(group(1, pair[0], stranger)))
    assert "not in the index" in reasons(report)[0]
    assert stranger.exists()
    store.close()


def test_a_missing_disk_is_not_ten_thousand_skipped_files(library, pair):
    store, made = library.store(), plan(group(1, *pair))
    library.root.rename(library.root.parent / "unmounted")
    with pytest.raises(RunError, match="mount its disk"):
        apply(store, made)
    store.close()


def test_an_interrupted_run_is_gone_on_with_and_undone_as_one(library, pair):
    second = [photo(library.root / "d.jpg", 9), library.file("e.jpg", b"")]
    second[1].write_bytes(second[0].read_bytes())
    store, made, before = library.store(), plan(group(1, *pair), group(2, *second)), tree(library.root)

    def interrupt(_progress):
        raise Interrupted

    report = apply(store, made, progress=interrupt)
    assert (report.interrupted, report.photos, pair[1].exists(), second[1].exists()) == (True, 1, False, True)
    again = apply(store, made)
    assert (again.run, again.resumed, again.photos, again.skipped) == (report.run, True, 1, [])
    assert (pair[1].exists(), second[1].exists()) == (False, False)
    assert undo(store).photos == 2
    assert tree(library.root) == before
    store.close()


def test_another_plan_makes_another_run(library, pair):
    store, made = library.store(), plan(group(1, *pair))

    def interrupt(_progress):
        raise Interrupted

    first = apply(store, made, progress=interrupt)
    undo(store)
    second = apply(store, plan(group(7, *pair)))
    assert (first.run == second.run, second.resumed) == (False, False)
    store.close()


def test_a_full_disk_stops_the_run_and_loses_nothing(library, pair, monkeypatch):
    library.file("b/copy.xmp", "edits")
    second = [photo(library.root / "d.jpg", 9), library.file("e.jpg", b"")]
    second[1].write_bytes(second[0].read_bytes())
    store, made, before = library.store(), plan(group(1, *pair), group(2, *second)), tree(library.root)
    real_copy, real_replace = shutil.copyfileobj, os.replace
    full, inode = True, pair[1].stat().st_ino

    def within(source, target):
        if Path(source).parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))
        real_replace(source, target)

    def copy(reader, writer, length):
        if full and os.fstat(reader.fileno()).st_ino == inode:
            writer.write(reader.read(5))
            raise OSError(errno.ENOSPC, "No space left on device")
        real_copy(reader, writer, length)

    monkeypatch.setattr(os, "replace", within)
    monkeypatch.setattr(shutil, "copyfileobj", copy)
    report = apply(store, made)
    assert report.stopped == f"No space left on device, at {pair[1]}"
    assert report.photos == 0
    assert {name: facts for name, facts in tree(library.root).items() if not name.startswith(".")} == before
    assert all(facts is None for name, facts in tree(library.root).items() if name.startswith("."))
    full = False
    again = apply(store, made)
    assert (again.resumed, again.photos, again.sidecars, again.stopped) == (True, 2, 1, None)
    undo(store)
    assert tree(library.root) == before
    store.close()


def test_a_disk_that_is_really_full(library, pair, tmp_path):
    """A small file system in memory, where tests may mount one."""
    small = tmp_path / "small"
    small.mkdir()
    if sys.platform != "linux" or os.system(f"mount -t tmpfs -o size=64k tmpfs '{small}' 2>/dev/null") != 0:
        pytest.skip("needs the right to mount a file system")
    try:
        big = [library.file(f"{name}.jpg", b"x" * 200_000) for name in ("big", "big-copy")]
        store, before = library.store(), tree(library.root)
        report = apply(store, plan(group(1, *pair), group(2, *big)), ApplyOptions(to=small))
        assert "No space left" in report.stopped
        assert (report.photos, big[1].exists()) == (1, True)
        undo(store)
        assert tree(library.root) == before
        assert list(small.iterdir()) == []
        store.close()
    finally:
        os.system(f"umount '{small}'")


def test_a_journal_that_cannot_be_written_stops_before_anything_is_changed(library, pair):
    store, before = library.store(), tree(library.root)
    (library.folder / "runs").write_text("in the way")
    with pytest.raises(RunError, match="nothing was changed"):
        apply(store, plan(group(1, *pair)))
    assert tree(library.root) == before
    store.close()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="changes to another user and back")
def test_a_folder_without_permission_is_skipped(library, pair):
    other = [photo(library.root / "x.jpg", 3), library.file("y.jpg", b"")]
    other[1].write_bytes(other[0].read_bytes())
    store, before = library.store(), tree(library.root)
    home = Path(tempfile.mkdtemp())
    home.chmod(0o755)
    for folder in (library.root.parent, *library.root.parent.parents):
        if folder.owner() == "root" and folder != Path("/") and folder != Path(tempfile.gettempdir()):
            folder.chmod(folder.stat().st_mode | 0o055)
    for path in (library.root, library.root / "y.jpg", *library.folder.rglob("*"), library.folder):
        os.chown(path, 65534, 65534)
    os.chown(library.root / "a", 65534, 65534)  # "b" stays root's
    os.seteuid(65534)
    try:
        report = apply(store, plan(group(1, *pair), group(2, *other)))
        assert report.photos == 1
        assert "ermission" in reasons(report)[0]
        undo(store)
    finally:
        os.seteuid(0)
        home.rmdir()
    assert tree(library.root) == before
    store.close()


def test_what_a_kill_left_is_cleared_up_by_the_next_run_of_another_plan(library, pair, monkeypatch):
    second = [photo(library.root / "d.jpg", 9), library.file("e.jpg", b"")]
    second[1].write_bytes(second[0].read_bytes())
    store, before = library.store(), tree(library.root)

    def die(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(store.catalogue.files, "mark_gone", die)
    monkeypatch.setattr("retrieval.dedupe.run.apply.return_files", die)  # a kill leaves no time for it
    with pytest.raises(KeyboardInterrupt):
        apply(store, plan(group(1, *pair)))
    monkeypatch.undo()
    assert not pair[1].exists()
    assert [step.path for step in find_journal(library.folder, None).in_state(State.BEGUN)] == [pair[1]]
    report = apply(store, plan(group(5, *second)))
    assert (report.photos, report.resumed, report.skipped) == (1, False, [])
    assert pair[1].exists()
    undo(store)
    assert {name: facts for name, facts in tree(library.root).items() if not name.startswith(".")} == before
    store.close()


def test_the_catalogue_of_a_run_is_sound(library, pair):
    store = library.store()
    for mode in (Mode.MOVE, Mode.HARDLINK):
        apply(store, plan(group(1, *pair)), ApplyOptions(mode))
        assert store.catalogue.integrity.findings() == []
        undo(store)
        assert store.catalogue.integrity.findings() == []
    assert sql(store.folder, "SELECT count(*) FROM photo") == [(2,)]
    store.close()


def test_the_moving_part_of_a_live_photo_goes_along(library):
    live_photos.photo(library.file("a/IMG_1.jpg", ""), "one shot")
    copy = library.file("b/IMG_1.jpg", (library.root / "a/IMG_1.jpg").read_bytes())
    video = live_photos.movie(library.root / "b" / "IMG_1.MOV", "one shot")
    store = library.store()
    report = apply(store, plan(group(1, library.root / "a/IMG_1.jpg", copy)))
    assert (report.photos, report.sidecars, video.exists()) == (1, 1, False)
    undo(store)
    assert video.exists()
    store.close()
