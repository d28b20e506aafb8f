import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from photos import archive, photo
from tiny import tiny_checkpoint

from retrieval import Index
from retrieval.cli.remedies import in_words
from retrieval.errors import (
    ArchiveError,
    IndexFormatError,
    IndexLockedError,
    IndexProblem,
    Interrupted,
    ModelMismatchError,
    Remedy,
)
from retrieval.lock import writing


def counts(report) -> dict[str, int]:
    """The fields of a report that are not zero."""
    names = ("added", "changed", "unchanged", "moved", "returned", "gone", "failed", "embedded", "ignored", "links")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def paths(index: Index) -> set[str]:
    """The names of all photos that a query can find."""
    answer = index.query(np.zeros((8, 8, 3), np.uint8), k=10_000)
    return {hit.path.name for hit in answer.hits}


def sound(index: Index) -> bool:
    return index.verify().problems == ()


def test_new_photos_are_added_and_known_ones_not_read_again(index, tmp_path):
    folder = archive(tmp_path / "a", 12)
    assert counts(index.add(folder)) == {"added": 12, "embedded": 12}
    for path in folder.iterdir():  # unchanged by size and time: reading them would fail loudly
        times = path.stat().st_mtime_ns
        path.write_bytes(b"x" * path.stat().st_size)
        os.utime(path, ns=(times, times))
    assert counts(index.add(folder)) == {"unchanged": 12}
    assert sound(index)


def test_new_content_is_embedded_again(index, tmp_path):
    folder = archive(tmp_path / "a", 3)
    index.add(folder)
    photo(folder / "001.jpg", 77)
    assert counts(index.add(folder)) == {"changed": 1, "unchanged": 2, "embedded": 1}
    assert index.status().counts.dead == 1
    assert paths(index) == {"000.jpg", "001.jpg", "002.jpg"}
    best = index.query(folder / "001.jpg", k=1).hits[0]
    assert (best.path.name, best.score) == ("001.jpg", pytest.approx(1, abs=1e-3))
    assert sound(index)


def test_a_touched_file_is_read_but_not_embedded(index, tmp_path):
    folder = archive(tmp_path / "a", 3)
    index.add(folder)
    os.utime(folder / "001.jpg", ns=(1, 1))
    assert counts(index.add(folder)) == {"unchanged": 3}
    assert counts(index.add(folder)) == {"unchanged": 3}


def test_a_moved_folder_costs_no_pass_and_keeps_its_rows(index, tmp_path):
    folder = archive(tmp_path / "a" / "old", 6).parent
    index.add(folder)
    before = {hit.path.name: hit.score for hit in index.query(folder / "old" / "000.jpg", k=10).hits}
    (folder / "old").rename(folder / "new")
    (folder / "new" / "000.jpg").rename(folder / "new" / "renamed.jpg")
    assert counts(index.add(folder)) == {"moved": 6}
    hits = index.query(folder / "new" / "renamed.jpg", k=10).hits
    assert {hit.path.parent.name for hit in hits} == {"new"}
    assert sorted(hit.score for hit in hits) == sorted(before.values())
    assert index.status().counts.vectors == 6
    assert sound(index)


def test_a_photo_that_moves_to_another_root_is_moved(index, tmp_path):
    one, two = archive(tmp_path / "one", 4), archive(tmp_path / "two", 2, first_seed=50)
    index.add(one, two)
    (one / "000.jpg").rename(two / "from-one.jpg")
    assert counts(index.add()) == {"unchanged": 5, "moved": 1}


def test_vanished_photos_are_marked_and_come_back(index, tmp_path):
    folder = archive(tmp_path / "a", 5)
    index.add(folder)
    (folder / "002.jpg").rename(tmp_path / "elsewhere.jpg")
    assert counts(index.add(folder)) == {"unchanged": 4, "gone": 1}
    assert "002.jpg" not in paths(index)
    assert index.status().counts.gone == 1
    assert sound(index)
    (tmp_path / "elsewhere.jpg").rename(folder / "002.jpg")
    assert counts(index.add(folder)) == {"unchanged": 4, "returned": 1}
    assert "002.jpg" in paths(index)
    assert sound(index)


def test_a_photo_that_vanished_long_ago_is_known_when_it_turns_up_elsewhere(index, tmp_path):
    folder = archive(tmp_path / "a", 3)
    index.add(folder)
    (folder / "001.jpg").rename(tmp_path / "card.jpg")
    index.add(folder)
    index.add(folder)
    shutil.copy(tmp_path / "card.jpg", folder / "found.jpg")
    assert counts(index.add(folder)) == {"unchanged": 2, "moved": 1}
    assert index.status().counts.gone == 0


def test_identical_files_are_embedded_once_and_all_found(index, tmp_path):
    folder = archive(tmp_path / "a", 2)
    for number in range(40):  # more than one batch, and all begun before the first is recorded
        shutil.copy(folder / "000.jpg", folder / f"copy{number}.jpg")
    assert counts(index.add(folder)) == {"added": 42, "embedded": 2}
    assert index.status().counts.vectors == 2
    assert len(index.query(folder / "000.jpg", k=100).hits) == 42
    assert [hit.rank for hit in index.query(folder / "000.jpg", k=7).hits] == list(range(1, 8))
    (folder / "000.jpg").unlink()
    assert counts(index.add(folder)) == {"unchanged": 41, "gone": 1}
    assert index.status().counts.dead == 0
    assert sound(index)


def test_two_files_that_swap_names_need_no_pass(index, tmp_path):
    folder = archive(tmp_path / "a", 2)
    photo(folder / "001.jpg", 1, size=(99, 64))  # of another size in bytes
    index.add(folder)
    (folder / "000.jpg").rename(folder / "x.jpg")
    (folder / "001.jpg").rename(folder / "000.jpg")
    (folder / "x.jpg").rename(folder / "001.jpg")
    assert index.add(folder).embedded == 0
    assert index.query(folder / "001.jpg", k=1).hits[0].path.name == "001.jpg"
    assert sound(index)


def test_failures_are_counted_kept_and_not_tried_again_in_vain(index, tmp_path):
    folder = archive(tmp_path / "a", 2)
    (folder / "broken.jpg").write_bytes((folder / "000.jpg").read_bytes()[:300])
    (folder / "text.jpg").write_text("no photo")
    (folder / "empty.jpg").write_bytes(b"")
    report = index.add(folder)
    assert counts(report) == {"added": 2, "failed": 3, "embedded": 2}
    kinds = {failure.path.name: failure.kind for failure in report.failures}
    assert kinds == {"broken.jpg": "truncated", "text.jpg": "not-a-photo", "empty.jpg": "empty"}
    assert {failure.path.name: failure.kind for failure in index.failures()} == kinds
    assert index.status().failures == {"empty": 1, "not-a-photo": 1, "truncated": 1}
    again = index.add(folder)
    assert (counts(again), again.failures) == ({"unchanged": 2, "failed": 3}, ())
    assert sound(index)


def test_a_failed_photo_that_is_mended_is_added(index, tmp_path):
    folder = archive(tmp_path / "a", 2)
    (folder / "x.jpg").write_bytes(b"")
    index.add(folder)
    photo(folder / "x.jpg", 9)
    assert counts(index.add(folder)) == {"added": 1, "unchanged": 2, "embedded": 1}


def test_truncated_photos_are_tried_again_on_request(index, tmp_path, model):
    folder = archive(tmp_path / "a", 2)
    data = photo(tmp_path / "big.jpg", 5, size=(400, 300)).read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    assert index.add(folder).failed == 1
    with Index.open(index.folder, allow_truncated=True) as lenient:
        assert counts(lenient.add(folder, retry=["truncated"])) == {"added": 1, "unchanged": 2, "embedded": 1}
    assert index.status().counts.failed == 0
    assert sound(index)


def test_a_failure_that_moves_keeps_its_reason(index, tmp_path):
    folder = archive(tmp_path / "a", 1)
    (folder / "text.jpg").write_text("no photo")
    index.add(folder)
    (folder / "text.jpg").rename(folder / "moved.jpg")
    assert counts(index.add(folder)) == {"unchanged": 1, "failed": 1}
    assert [failure.path.name for failure in index.failures()] == ["moved.jpg"]


def test_excluded_photos_are_not_indexed(index, tmp_path):
    folder = archive(tmp_path / "a", 2)
    archive(folder / "Exports", 3, first_seed=20)
    assert counts(index.add(folder, exclude=["Exports"])) == {"added": 2, "embedded": 2}
    assert index.add(folder).added == 3


def test_a_folder_inside_a_known_root_is_that_part_of_it(index, tmp_path):
    folder = archive(tmp_path / "a", 2)
    archive(folder / "new", 3, first_seed=20)
    index.add(folder)
    photo(folder / "new" / "late.jpg", 30)
    (folder / "000.jpg").unlink()
    assert counts(index.add(folder / "new")) == {"added": 1, "unchanged": 3, "embedded": 1}
    assert list(index.roots.values()) == [folder.resolve()]
    assert counts(index.add()) == {"unchanged": 5, "gone": 1}


def test_a_folder_around_a_known_root_does_not_index_its_photos_twice(index, tmp_path):
    archive(tmp_path / "all" / "2020", 3)
    archive(tmp_path / "all" / "2021", 2, first_seed=20)
    index.add(tmp_path / "all" / "2020")
    assert counts(index.add(tmp_path / "all")) == {"added": 2, "unchanged": 3, "embedded": 2}
    assert counts(index.add()) == {"unchanged": 5}
    assert len(paths(index)) == 5 - 2  # names repeat: 000, 001 in both
    assert index.status().counts.indexed == 5


def test_a_folder_given_twice_is_listed_once(index, tmp_path):
    folder = archive(tmp_path / "a", 3)
    archive(folder / "sub", 2, first_seed=9)
    assert counts(index.add(folder, folder / "sub", folder)) == {"added": 5, "embedded": 5}


def test_bad_folders_are_refused_before_anything_happens(index, tmp_path):
    good = archive(tmp_path / "good", 2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("x")
    for bad, message in (
        (tmp_path / "missing", "there is no folder"),
        (good / "000.jpg", "is a file, not a folder"),
        (tmp_path / "empty", "no photos in"),
        (tmp_path / "notes", r"no photos in .*1 other files"),
    ):
        with pytest.raises(ArchiveError, match=message):
            index.add(good, bad)
    assert index.status().counts.indexed == 0
    assert index.roots == {}
    with pytest.raises(ArchiveError, match="no folders yet"):
        index.add()


def test_an_unmounted_root_is_an_error_not_deletions(index, tmp_path):
    folder = archive(tmp_path / "disk", 4)
    other = archive(tmp_path / "other", 2, first_seed=40)
    index.add(folder, other)
    folder.rename(tmp_path / "away")
    with pytest.raises(ArchiveError, match=r"not there: mount its disk.*where root disk is now") as caught:
        index.add()
    assert "`retrieval relocate disk FOLDER`" in in_words(caught.value)
    elsewhere = ArchiveError("gone", Remedy.MOUNT_OR_RELOCATE, root="my disk's photos")
    assert """`retrieval relocate 'my disk'"'"'s photos' FOLDER`""" in in_words(elsewhere)
    folder.mkdir()  # an empty mount point
    with pytest.raises(ArchiveError, match="knows 4 there: mount its disk"):
        index.add()
    assert index.status().counts.indexed == 6
    assert counts(index.add(other)) == {"unchanged": 2}
    assert counts(index.add(allow_empty=True)) == {"unchanged": 2, "gone": 4}
    folder.rmdir()
    (tmp_path / "away").rename(folder)
    assert counts(index.add()) == {"unchanged": 2, "returned": 4}


def test_a_relocated_root_keeps_everything(index, tmp_path):
    folder = archive(tmp_path / "disk", 4)
    index.add(folder)
    folder.rename(tmp_path / "mounted elsewhere")
    index.relocate("disk", tmp_path / "mounted elsewhere")
    assert counts(index.add()) == {"unchanged": 4}
    assert {hit.path.parent.name for hit in index.query(np.zeros((8, 8), np.uint8)).hits} == {"mounted elsewhere"}


def test_photos_below_a_folder_that_cannot_be_listed_are_not_gone(index, tmp_path, monkeypatch):
    folder = archive(tmp_path / "a", 1)
    archive(folder / "locked", 3, first_seed=10)
    index.add(folder)
    scandir = os.scandir

    def deny(path):  # a test may run as root, whom no permission stops
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    report = index.add(folder)
    assert counts(report) == {"unchanged": 1}
    assert [failure.path.name for failure in report.failures] == ["locked"]
    assert index.status().counts.gone == 0


def test_a_disk_pulled_out_while_reading_stops_the_run(index, tmp_path):
    folder = archive(tmp_path / "disk", 900)  # more than is read ahead

    def pull(progress):
        if progress.phase == "embedding" and folder.exists():
            folder.rename(tmp_path / "pulled")

    with pytest.raises(ArchiveError, match="vanished while it was being read"):
        index.add(folder, progress=pull)
    counts_now = index.status().counts
    assert (counts_now.failed, counts_now.gone) == (0, 0)
    assert 0 < counts_now.indexed < 900


def test_a_disk_pulled_out_while_listing_stops_the_run(index, tmp_path):
    folder = archive(tmp_path / "disk", 5)
    index.add(folder)

    def pull(progress):
        if progress.phase == "scanning":
            folder.rename(tmp_path / "pulled")

    with pytest.raises(ArchiveError, match="vanished while it was being listed"):
        index.add(folder, progress=pull)
    assert index.status().counts.gone == 0


def test_an_interrupted_run_keeps_what_is_done_and_goes_on(index, tmp_path):
    index.embedder.group_s = 0
    folder = archive(tmp_path / "a", 40)

    def stop(progress):
        if progress.phase == "embedding" and progress.done >= 16:
            raise Interrupted

    with pytest.raises(KeyboardInterrupt):
        index.add(folder, progress=stop)
    done = index.status().counts.indexed
    assert 16 <= done < 40
    assert len(index.query(folder / "000.jpg", k=100).hits) == done  # searchable at once
    assert counts(index.add(folder)) == {"added": 40 - done, "unchanged": done, "embedded": 40 - done}
    assert sound(index)


def test_a_second_writer_is_refused_and_readers_go_on(index, tmp_path):
    folder = archive(tmp_path / "a", 3)
    index.add(folder)
    with writing(index.folder):
        with pytest.raises(IndexLockedError, match=f"process {os.getpid()}"):
            index.add(folder)
        assert len(index.query(folder / "000.jpg").hits) == 3
        assert index.status().counts.indexed == 3


def test_an_index_keeps_its_model(index, tmp_path, model):
    other = tiny_checkpoint(tmp_path / "other.safetensors", seed=1)
    with pytest.raises(ModelMismatchError, match="models do not mix"):
        Index.open(index.folder, model=str(other))
    with pytest.raises(ModelMismatchError, match="precisions do not mix"):
        Index.open(index.folder, precision="fp16")
    moved = tmp_path / "moved.safetensors"
    shutil.copy(model, moved)
    with Index.open(index.folder, model=str(moved)) as same:
        assert same.add(archive(tmp_path / "a", 2)).added == 2


def test_weights_replaced_behind_its_back_are_noticed(tmp_path):
    weights = tiny_checkpoint(tmp_path / "model.safetensors")
    Index.create(tmp_path / "index", model=str(weights)).close()
    tiny_checkpoint(weights, seed=5)
    folder = archive(tmp_path / "a", 2)
    with Index.open(tmp_path / "index") as index, pytest.raises(ModelMismatchError, match="made with model"):
        index.add(folder)


def test_an_index_is_not_made_among_other_things(tmp_path, model):
    photo(tmp_path / "photos" / "a.jpg", 1)
    with pytest.raises(IndexFormatError, match="not empty"):
        Index.create(tmp_path / "photos", model=str(model))
    with pytest.raises(IndexFormatError, match="is a file"):
        Index.create(tmp_path / "photos" / "a.jpg", model=str(model))
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]
    Index.create(tmp_path / "index", model=str(model)).close()
    with pytest.raises(IndexProblem, match=r"an index in .* already"):
        Index.create(tmp_path / "index", model=str(model))


def test_a_creation_that_was_killed_is_finished_by_the_next(index, model):
    index.close()
    (index.folder / "index.json").unlink()
    with Index.create(index.folder, model=str(model)) as again:
        assert again.status().counts.vectors == 0


def test_a_lost_manifest_is_not_taken_for_a_new_index(index, tmp_path, model):
    index.add(archive(tmp_path / "a", 2))
    index.close()
    (index.folder / "index.json").unlink()
    with pytest.raises(IndexFormatError, match="restore"):
        Index.create(index.folder, model=str(model))


@pytest.mark.parametrize("name", ["catalogue.sqlite", "vectors.f16"])
def test_a_lost_truth_is_refused(index, name):
    index.close()
    (index.folder / name).unlink()
    with pytest.raises(IndexFormatError, match=f"{name} is missing"):
        Index.open(index.folder)


@pytest.mark.parametrize("junk", [b"", b"this is no database, only text " * 200])
def test_a_foreign_catalogue_is_refused(index, junk):
    index.close()
    (index.folder / "catalogue.sqlite").write_bytes(junk)
    with pytest.raises(IndexFormatError):
        Index.open(index.folder).status()


LIMITED = """
    import resource, sys
    from retrieval import Index, RetrievalError
    folder, archive, limit = sys.argv[1:]
    with Index.open(folder) as index:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
        try:
            index.add(archive)
        except (OSError, RetrievalError) as error:
            print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit on Windows")
@pytest.mark.parametrize("room", [0, 1_000, 30_000])
def test_a_write_that_fails_loses_nothing(index, tmp_path, room):
    """A file size limit fails writes as a full disk does."""
    index.add(archive(tmp_path / "a", 4))
    archive(tmp_path / "a", 60)
    script = textwrap.dedent(LIMITED)
    command = [sys.executable, "-c", script, str(index.folder), str(tmp_path / "a"), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout, "the limit was not met"
    assert index.status().counts.indexed >= 4
    assert index.add(tmp_path / "a").failed == 0
    assert index.status().counts.indexed == 60
    assert sound(index)
