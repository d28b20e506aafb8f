"""What 0.1.0 left on disk opens, migrates, answers and can be undone. `make.py` made it, with the code of 0.1.0."""

import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from retrieval import Filter, Index
from retrieval.cli import main
from retrieval.dedupe.plan import plan_file
from retrieval.dedupe.run.apply import digest
from retrieval.dedupe.run.journal import journals
from retrieval.dedupe.run.records import ApplyOptions

FIXTURE = Path(__file__).parent / "0.1.0.tar.xz"
HOME = "/tmp/retrieval-0.1.0"  # where it was made
PRESENT = {
    *("Kühe 🐦.jpg", "burst/0.jpg", "burst/1.jpg", "linked/l (copy).jpg", "linked/l.jpg"),
    *("moved/m (copy).jpg", "moved/m.jpg", "moved/n (copy).jpg", "moved/n.jpg"),
    *("near/a crop.jpg", "near/a.jpg", "near/b warmer.jpg", "near/b.jpg"),
}
DUPLICATES = {
    ("exact", "linked/l.jpg", "linked/l (copy).jpg"),
    ("exact", "moved/m.jpg", "moved/m (copy).jpg"),
    ("exact", "moved/n.jpg", "moved/n (copy).jpg"),
    ("near", "near/a.jpg", "near/a crop.jpg"),
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(FIXTURE) as archive:
        filters = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # not in 3.11.0 to 3.11.3
        archive.extractall(folder, **filters)
    return folder


@pytest.fixture
def old(unpacked, tmp_path):
    """Give a way to unpack one state of the old library somewhere else than it was made."""

    def unpack(state: str) -> SimpleNamespace:
        home = tmp_path / state
        shutil.copytree(unpacked / state, home)
        for first, second in [("linked/l (copy).jpg", "linked/l.jpg")] if state == "applied" else []:
            (home / "photos" / second).unlink()  # copying has made two files of one
            os.link(home / "photos" / first, home / "photos" / second)
        model = unpacked / "tiny.safetensors"
        return SimpleNamespace(home=home, photos=home / "photos", index=home / "index", model=model)

    return unpack


@pytest.fixture
def library(old):
    """The library before its plans were applied, its root where it is now."""
    library = old("planned")
    relocate(library)
    return library


def run(*words: object) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def relocate(library: SimpleNamespace) -> None:
    run("relocate", "photos", library.photos, "--index", library.index)


def opened(library: SimpleNamespace) -> Index:
    return Index.open(library.index, model=str(library.model), device="cpu")


def moved_here(library: SimpleNamespace, plan: str) -> Path:
    """Let a plan name the files where they are now."""
    path = library.home / plan
    path.write_bytes(path.read_bytes().replace(f"{HOME}/photos".encode(), str(library.photos).encode()))
    return path


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def schema(index: Path) -> set[tuple[str, ...]]:
    """Say what tables, columns and indices there are, however their SQL is laid out."""
    with closing(sqlite3.connect(index / "catalogue.sqlite")) as connection:
        names = connection.execute("SELECT type, name, tbl_name FROM sqlite_master").fetchall()
        columns = [
            (table, *map(str, column[1:]))
            for kind, table, _ in names
            if kind in ("table", "index")
            for column in connection.execute(f"PRAGMA table_xinfo('{table}')")
        ]
    return {*names, *columns}


def test_the_catalogue_migrates_to_the_schema_of_a_new_one(library, index):
    assert schema(library.index) == schema(index.folder)


def test_nothing_is_read_again(library):
    with opened(library) as index:
        report = index.add()
        assert (report.unchanged, report.failed, report.embedded) == (len(PRESENT), 3, 0)
        assert (report.added, report.changed, report.moved, report.gone) == (0, 0, 0, 0)


def test_everything_is_still_known(library):
    with opened(library) as index:
        status = index.status()
        assert (status.counts.indexed, status.counts.failed, status.counts.gone) == (len(PRESENT), 3, 1)
        assert (status.counts.vectors, status.counts.dead) == (11, 1)
        assert {str(photo.path.relative_to(library.photos)) for photo in index.photos()} == PRESENT
        failures = {failure.path.name: failure.kind for failure in index.failures()}
        assert failures == {"empty.jpg": "empty", "note.jpg": "not-a-photo", "torn.jpg": "truncated"}
        told_apart = {str(path.relative_to(library.photos)) for pair in index.ignored() for one in pair for path in one}
        assert told_apart == {"near/b.jpg", "near/b warmer.jpg"}
        assert sum(one.photos for one in index.species()) == len(PRESENT)
        assert index.thumbnail(library.photos / "near/a.jpg")


def test_filters_find_what_the_photos_say_of_themselves(library):
    with opened(library) as index:
        for chosen in (Filter(since="2021-05-03", until="2021-05-03"), Filter(near=[(25.19, 55.32, 1)])):
            assert {photo.path.name for photo in index.photos(chosen)} == {"0.jpg", "1.jpg"}
        assert index.count(Filter(camera="canon")) == 2


def test_each_photo_finds_itself_known_or_embedded_again(library):
    with opened(library) as index:
        for name in sorted(PRESENT):
            path = library.photos / name
            for image in (path, path.read_bytes()):
                hit = index.query(image, k=1).hits[0]
                assert hit.score == pytest.approx(1, abs=2e-3)
                assert hit.path.read_bytes() == path.read_bytes()


def test_the_stored_vectors_are_the_networks(library):
    with opened(library) as index:
        before = {name: index.query(library.photos / name, k=20).predictions[0] for name in PRESENT}
        for name, prediction in before.items():
            again = index.query((library.photos / name).read_bytes(), k=1).predictions[0]
            assert again.species == prediction.species
            assert again.probability == pytest.approx(prediction.probability, abs=5e-3)


def test_find_gives_what_it_gave(library):
    found = json.loads(run("dedupe", "find", "--index", library.index, "--format", "json").stdout)
    pairs = {
        (group["kind"], *(str(Path(file["path"]).relative_to(library.photos)) for file in (group["keeper"], member)))
        for group in found["groups"]
        for member in group["members"]
    }
    assert pairs == DUPLICATES


def test_it_verifies(library):
    run("verify", "--index", library.index, "--hashes")


def test_photos_that_were_gone_come_back_without_a_network_pass(library):
    shutil.copy2(library.photos / "near/a.jpg", library.photos / "gone.jpg")
    with opened(library) as index:
        report = index.add()
        assert (report.added + report.changed + report.returned, report.embedded) == (1, 0)


@pytest.mark.parametrize("name", ["all.csv", "all.json"])
def test_a_plan_that_was_not_applied_yet_still_can_be(library, name):
    before = tree(library.photos)
    plan = moved_here(library, name)
    run("dedupe", "apply", plan, "--index", library.index, "--kinds", "exact,near", "--strict")
    gone = {member for _, _, member in DUPLICATES} | {"moved/m (copy).xmp", "moved/n (copy).xmp"}
    assert {path for path in before if not (library.photos / path).exists()} == gone
    run("dedupe", "undo", "--index", library.index)
    assert tree(library.photos) == before
    run("verify", "--index", library.index)


def test_runs_are_undone(old, library):
    applied = old("applied")
    relocate(applied)
    runs = json.loads(run("dedupe", "runs", "--index", applied.index, "--format", "json").stdout)
    assert [(one["mode"], one["files"], one["state"]) for one in runs] == [
        ("move", 4, "finished"),
        ("hardlink", 1, "finished"),
    ]
    for one in reversed(runs):
        run("dedupe", "undo", one["run"], "--index", applied.index, "--strict")
    assert tree(applied.photos) == tree(library.photos)
    assert not (applied.photos / ".retrieval-held").exists()
    assert not (applied.photos / "linked/l.jpg").samefile(applied.photos / "linked/l (copy).jpg")
    with opened(applied) as index:
        report = index.add()
        assert (report.unchanged, report.embedded, report.gone) == (len(PRESENT), 0, 0)


def test_a_killed_run_is_undone(old, library):
    killed = old("killed")
    relocate(killed)
    assert not (killed.photos / "moved/n (copy).xmp").exists()
    run("dedupe", "undo", "--index", killed.index, "--strict")
    assert tree(killed.photos) == tree(library.photos)
    run("verify", "--index", killed.index, "--hashes")


def test_the_next_run_clears_up_after_a_killed_one(old):
    killed = old("killed")
    relocate(killed)
    run("dedupe", "find", killed.photos / "near", "--index", killed.index, "-o", killed.home / "near.csv")
    run("dedupe", "apply", killed.home / "near.csv", "--index", killed.index, "--kinds", "near", "--strict")
    assert not (killed.photos / "near/a crop.jpg").exists()
    for name in ("n (copy).jpg", "n (copy).xmp"):  # the shot that was half moved is whole again
        assert (killed.photos / "moved" / name).exists()
    run("verify", "--index", killed.index, "--hashes")


def test_a_killed_run_is_known_to_be_that_of_its_plan(unpacked):
    """So that the same command, with a newer version, resumes it."""
    (journal,) = journals(unpacked / "killed" / "index")
    assert journal.header.plan == digest(plan_file.read(unpacked / "killed" / "moved.csv"), ApplyOptions())
