import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.archive.content import read_file
from retrieval.archive.walk import Walk, check_root, excluder
from retrieval.errors import ArchiveError


def touch(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names(walk: Walk) -> list[str]:
    return [seen.relative for seen in walk]


def test_walk_lists_photos_of_all_folders_in_order(tmp_path):
    for name in ("b.jpg", "a.JPG", "sub/c.heic", "sub/deep/d.NEF", "a/e.png"):
        touch(tmp_path / name)
    assert names(Walk(tmp_path, tmp_path)) == ["a.JPG", "b.jpg", "a/e.png", "sub/c.heic", "sub/deep/d.NEF"]


def test_walk_leaves_out_hidden_trash_and_thumbnail_folders(tmp_path):
    for name in (".hidden/a.jpg", "._a.jpg", "@eaDir/a.jpg", "#recycle/a.jpg", "$RECYCLE.BIN/a.jpg", "x/@EADIR/a.jpg"):
        touch(tmp_path / name)
    touch(tmp_path / "kept.jpg")
    assert names(Walk(tmp_path, tmp_path)) == ["kept.jpg"]


def test_a_hidden_root_is_walked_all_the_same(tmp_path):
    touch(tmp_path / ".photos" / "a.jpg")
    assert names(Walk(tmp_path / ".photos", tmp_path / ".photos")) == ["a.jpg"]


def test_walk_counts_other_files_by_suffix(tmp_path):
    for name in ("a.jpg", "a.xmp", "b.xmp", "notes.txt", "LICENSE"):
        touch(tmp_path / name)
    walk = Walk(tmp_path, tmp_path)
    assert names(walk) == ["a.jpg"]
    assert walk.photos == 1
    assert dict(walk.ignored) == {".xmp": 2, ".txt": 1, "": 1}


def test_walk_does_not_follow_links(tmp_path):
    touch(tmp_path / "a" / "photo.jpg")
    (tmp_path / "a" / "circle").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "alias.jpg").symlink_to(tmp_path / "a" / "photo.jpg")
    walk = Walk(tmp_path, tmp_path)
    assert names(walk) == ["a/photo.jpg"]
    assert walk.links == 2


def test_walk_leaves_other_roots_to_their_own_walk(tmp_path):
    touch(tmp_path / "a.jpg")
    touch(tmp_path / "sub" / "b.jpg")
    assert names(Walk(tmp_path, tmp_path, other_roots=frozenset({str(tmp_path / "sub")}))) == ["a.jpg"]


def test_walk_of_a_folder_inside_a_root_names_photos_from_the_root(tmp_path):
    touch(tmp_path / "a.jpg")
    touch(tmp_path / "sub" / "b.jpg")
    assert names(Walk(tmp_path, tmp_path / "sub")) == ["sub/b.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_called_jpg_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    walk = Walk(tmp_path, tmp_path)
    assert names(walk) == []
    assert walk.ignored[".jpg"] == 1


def test_a_folder_that_cannot_be_listed_is_noted_and_the_walk_goes_on(tmp_path, monkeypatch):
    touch(tmp_path / "a" / "lost.jpg")
    touch(tmp_path / "b" / "kept.jpg")
    scandir = os.scandir

    def deny(path):  # a test may run as root, whom no permission stops
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    walk = Walk(tmp_path, tmp_path)
    assert names(walk) == ["b/kept.jpg"]
    assert [(failure.path, failure.kind) for failure in walk.unreadable] == [(tmp_path / "a", "unreadable")]
    assert "Permission denied" in walk.unreadable[0].reason


def test_a_start_that_vanished_is_an_error(tmp_path):
    with pytest.raises(ArchiveError, match="gone"):
        list(Walk(tmp_path / "gone", tmp_path / "gone"))


@pytest.mark.parametrize(
    ("patterns", "path", "excluded"),
    [
        (["*_edited.jpg"], "a/x_edited.jpg", True),
        (["*_edited.jpg"], "a/x.jpg", False),
        (["Exports"], "2019/Exports", True),
        (["Exports"], "2019/MyExports", False),
        (["2019/*/raw"], "2019/june/raw", True),
        (["2019/*/raw"], "2020/june/raw", False),
        (["Exports/"], "Exports", True),
        ([], "anything", False),
    ],
)
def test_exclude_patterns(patterns, path, excluded):
    assert excluder(patterns)(path) is excluded


def test_an_excluded_folder_excludes_what_is_below(tmp_path):
    touch(tmp_path / "Exports" / "deep" / "a.jpg")
    touch(tmp_path / "b.jpg")
    assert names(Walk(tmp_path, tmp_path, excluder(["Exports"]))) == ["b.jpg"]


def test_check_root_says_what_is_wrong(tmp_path):
    with pytest.raises(ArchiveError, match=r"no folder .*missing.*mount"):
        check_root(tmp_path / "missing")
    with pytest.raises(ArchiveError, match="is a file, not a folder"):
        check_root(touch(tmp_path / "a.jpg"))
    assert check_root(tmp_path) == tmp_path.resolve()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@given(stem=st.binary(min_size=1, max_size=60).filter(lambda name: not set(name) & {0, ord("/")} and name[:1] != b"."))
def test_any_file_name_is_listed_and_read(tmp_path_factory, stem):
    folder = tmp_path_factory.mktemp("names")
    raw = os.fsencode(folder) + b"/" + stem + b".jpg"
    try:
        Path(os.fsdecode(raw)).write_bytes(stem)
    except OSError:
        return  # a file system that refuses this name
    (seen,) = Walk(folder, folder)
    assert os.fsencode(seen.relative) == stem + b".jpg"
    assert read_file(folder / seen.relative).data == stem
