import os
import subprocess
import sys

import pytest
from photos import photo
from removals import Library

from retrieval.dedupe.groups.files import FindScope
from retrieval.dedupe.groups.find import FindOptions
from retrieval.dedupe.groups.reference import indexed_references
from retrieval.dedupe.plan.records import Action, Kind
from retrieval.errors import QueryError, Remedy


@pytest.fixture
def library(index, tmp_path):
    """A photo in a folder to be protected, and its copy, which is the better keeper."""
    library = Library(index, tmp_path / "archive")
    kept = photo(library.root / "safe" / "deep" / "a.jpg", 1)
    library.file("card/a.jpg", kept.read_bytes(), 1_000_000_000)
    index.add(library.root)
    return library


def removed(index, reference):
    options = FindOptions(kinds=[Kind.EXACT], keep="oldest", scope=FindScope(reference=[reference]))
    members = [member for group in index.duplicates(options).plan.groups for member in group.members]
    return [member.file.path.parent.name for member in members if member.action is Action.REMOVE]


@pytest.mark.parametrize("folder", ["archive/safe", "archive/safe/deep", "link", "link/deep"])
def test_a_folder_is_protected_however_its_path_is_written(library, tmp_path, folder):
    (tmp_path / "link").symlink_to(library.root / "safe")
    assert removed(library.index, tmp_path / folder) == ["card"]


def test_a_folder_above_the_archive_protects_all_of_it(library, tmp_path):
    assert removed(library.index, tmp_path) == []


@pytest.mark.parametrize("folder", ["empty", "not there"])
def test_a_folder_without_indexed_photos_is_an_error(library, tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(QueryError, match="no indexed photo lies in the reference folder") as caught:
        removed(library.index, tmp_path / folder)
    assert caught.value.remedy is Remedy.INDEX_REFERENCE


def test_a_disk_that_is_not_mounted_is_known_by_its_path(library, tmp_path):
    from retrieval.store import Store

    library.index.close()
    library.root.rename(tmp_path / "unmounted")
    store = Store.open(library.folder)
    assert indexed_references(store, [library.root / "safe"]) == (library.root / "safe",)
    store.close()


@pytest.mark.parametrize("folder", ["archive/card", "link"])
def test_a_rule_for_a_folder_holds_however_its_path_is_written(library, tmp_path, folder):
    (tmp_path / "link").symlink_to(library.root / "card")
    for keep, kept in ((f"path:{tmp_path / folder}", "card"), (f"path:{library.root / 'safe'}", "deep")):
        [group] = library.index.duplicates(FindOptions(kinds=[Kind.EXACT], keep=keep)).plan.groups
        assert (group.keeper.path.parent.name, group.why.startswith("in ")) == (kept, True)


def test_a_rule_for_a_folder_without_photos_decides_nothing(library, tmp_path):
    keep = f"path:{tmp_path / 'nowhere'},newest"
    [group] = library.index.duplicates(FindOptions(kinds=[Kind.EXACT], keep=keep)).plan.groups
    assert group.why.startswith("newer")


BIND = """
import sys, subprocess
from pathlib import Path
from retrieval.dedupe.groups.reference import indexed_references
from retrieval.store import Store
subprocess.run(["mount", "--bind", sys.argv[2], sys.argv[3]], check=True)
store = Store.open(Path(sys.argv[1]))
print(*indexed_references(store, [Path(sys.argv[3])]))
store.close()
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root may mount folders, in a namespace of its own"
)
def test_a_second_mount_of_an_indexed_folder_is_that_folder(library, tmp_path):
    library.index.close()
    (tmp_path / "mounted").mkdir()
    words = [library.folder, library.root / "safe", tmp_path / "mounted"]
    program = ["unshare", "-m", "--propagation", "private", sys.executable, "-c", BIND, *map(str, words)]
    done = subprocess.run(program, capture_output=True, text=True)
    if "unshare failed" in done.stderr or "mount:" in done.stderr:
        pytest.skip("this root may not mount")
    assert done.stdout.strip() == str(library.root / "safe"), done.stderr


MOUNTED_AGAIN = """
import sys, subprocess
from pathlib import Path
from retrieval import Index
from retrieval.dedupe.groups.files import FindScope
from retrieval.dedupe.groups.find import FindOptions
from retrieval.dedupe.plan.records import Action, Kind
from retrieval.filters import Filter
folder, root, model = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
subprocess.run(["mount", "--bind", root / "safe" / "deep", root / "again"], check=True)
with Index.open(folder, model=model, device="cpu") as index:
    index.add(root)
    for kind in (Kind.EXACT, Kind.SAME_PIXELS):
        options = FindOptions(
            kinds=[kind],
            keep="oldest",
            scope=FindScope(reference=[root / "safe"]),
            filter=Filter(not_under=(str(root / "safe"),)),
        )
        groups = index.duplicates(options).plan.groups
        members = [member for group in groups for member in group.members]
        print(kind.value, *(one.file.path.relative_to(root) for one in members if one.action is Action.REMOVE))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root may mount folders, in a namespace of its own"
)
def test_a_second_mount_of_a_folder_inside_is_protected_too(library, tmp_path, model):
    from PIL import Image

    with Image.open(library.root / "card" / "a.jpg") as image:
        image.save(library.root / "card" / "b.png")
    os.utime(library.root / "card" / "b.png", (10**9, 10**9))
    library.index.close()
    (library.root / "again").mkdir()
    words = [library.folder, library.root, model]
    program = ["unshare", "-m", "--propagation", "private", sys.executable, "-c", MOUNTED_AGAIN, *map(str, words)]
    done = subprocess.run(program, capture_output=True, text=True)
    if "unshare failed" in done.stderr or "mount:" in done.stderr:
        pytest.skip("this root may not mount")
    assert done.stdout.splitlines() == ["exact card/a.jpg", "same-pixels card/b.png"], done.stderr
