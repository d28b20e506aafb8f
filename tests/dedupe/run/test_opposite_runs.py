"""Two indexes over one archive, and two runs at once that keep what the other removes: no photo loses its last file."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from removals import Library, group, plan

from retrieval import Index
from retrieval.dedupe.run.apply import apply
from retrieval.dedupe.run.undo import undo
from retrieval.errors import ArchiveLockedError, Remedy
from retrieval.lock import changing

PHOTOS = 8


@pytest.fixture
def libraries(index, tmp_path, model):
    """Two indexes of one folder, each with two copies of every photo, and their opposite plans."""
    library = Library(index, tmp_path / "archive")
    pairs = []
    for number in range(PHOTOS):
        pairs.append([library.file(f"{folder}/{number}.jpg", f"photo {number}") for folder in "ab"])
        library.file(f"a/{number}.xmp", f"edits {number}")  # to be deleted along with the photo
        library.file(f"b/{number}.xmp", f"edits {number}")
    library.store().close()
    with Index.create(tmp_path / "other index", model=str(model), device="cpu") as other:
        other.add(library.root)
    plans = [
        plan(*(group(number, keeper, member) for number, (keeper, member) in enumerate(order, start=1)))
        for order in (pairs, [reversed(pair) for pair in pairs])
    ]
    return library, (library.folder, tmp_path / "other index"), plans


@pytest.mark.parametrize("lock", ["locked", "unlocked"])
@pytest.mark.parametrize("rounds", [10, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.timeout(900)
def test_no_photo_is_lost(libraries, tmp_path, lock, rounds):
    library, indexes, plans = libraries
    saved = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in library.root.rglob("*.*")}
    wanted = {content for content, _ in saved.values()}
    runs = []
    for number, (folder, made) in enumerate(zip(indexes, plans, strict=True)):
        (tmp_path / f"plan {number}").write_bytes(pickle.dumps(made))
        program = [
            sys.executable,
            str(Path(__file__).parents[2] / "opposite_runs.py"),
            folder,
            tmp_path / f"plan {number}",
        ]
        runs.append(subprocess.Popen([*program, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    try:
        assert [run.stdout.readline() for run in runs] == ["ready\n", "ready\n"]
        for _ in range(rounds):
            for path, (content, mtime_ns) in saved.items():
                if not path.exists():
                    path.write_bytes(content)
                    os.utime(path, ns=(mtime_ns, mtime_ns))
            for run in runs:
                run.stdin.write("go\n")
                run.stdin.flush()
            said = [run.stdout.readline().strip() for run in runs]
            assert said.count("locked") <= (1 if lock == "locked" else 0)
            left = [path for path in library.root.rglob("*") if path.is_file()]
            assert {path.read_bytes() for path in left} == wanted, said
            assert not [path for path in left if path.name.endswith(".claimed")]
    finally:
        for run in runs:
            run.communicate()


def test_a_run_of_another_index_is_refused_and_changes_nothing(libraries, model):
    from retrieval.store import Store

    library, (first, second), plans = libraries
    store, other = Store.open(first), Store.open(second)
    apply(store, plans[0])
    with changing([library.root]):
        for work in (lambda: apply(other, plans[1]), lambda: undo(store)):
            with pytest.raises(ArchiveLockedError, match="another run is changing files") as caught:
                work()
            assert caught.value.remedy is Remedy.WAIT
    assert undo(store).photos == PHOTOS
    assert apply(other, plans[1]).photos == PHOTOS
    store.close()
    other.close()
