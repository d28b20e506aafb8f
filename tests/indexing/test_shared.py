"""The main job on real photos, hard files and a network with real weights."""

import resource
import subprocess
import sys
from collections import Counter

import pytest

from retrieval import Index

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def birds(shared, tmp_path_factory):
    """An index of birds and orientation examples, made with real weights."""
    checkpoint = shared / "checkpoints" / "vit_t16_imagenet1k.pt"
    with Index.create(tmp_path_factory.mktemp("shared") / "index", model=str(checkpoint), device="cpu") as index:
        report = index.add(shared / "birds", shared / "orientation")
        assert report.failed == 0
        yield index


def test_every_bird_is_its_own_nearest(birds, shared):
    photos = sorted((shared / "birds").rglob("*.jpg"))
    for path, answer in zip(photos, birds.query_many(photos, k=2), strict=True):
        assert answer.hits[0].path == path.resolve()
        assert answer.hits[0].score >= 0.999


def test_neighbours_share_their_species(birds, shared):
    """Leave one out, over fifty species: chance is 0.02."""
    photos = sorted((shared / "birds").rglob("*.jpg"))
    right = 0
    for path, answer in zip(photos, birds.query_many(photos, k=2), strict=True):
        other = next(hit for hit in answer.hits if hit.path != path.resolve())
        right += other.path.parent.name == path.parent.name
    assert right / len(photos) >= 0.60


@pytest.mark.parametrize("scene", ["Landscape", "Portrait"])
def test_a_photo_in_all_orientations_finds_itself(birds, shared, scene):
    names = {f"{scene}_{number}.jpg" for number in range(9)}
    for name in names:
        hits = birds.query(shared / "orientation" / name, k=9).hits
        assert {hit.path.name for hit in hits} == names


def test_recall_of_the_search_index(birds):
    search = birds.status().search
    assert search.recall is not None
    assert search.recall >= 0.99
    assert birds.verify().problems == ()


HARD = """
import sys, warnings
warnings.simplefilter("error")
from retrieval import Index
folder, model, *archives = sys.argv[1:]
with Index.create(folder, model=model, device="cpu") as index:
    report = index.add(*archives)
    print(report.added, report.failed)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="memory is measured by POSIX means")
def test_every_hard_file_is_indexed_or_listed(shared, model, tmp_path):
    archives = [shared / "hard", shared / "camera"]
    command = [sys.executable, "-c", HARD, str(tmp_path / "index"), str(model), *map(str, archives)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    files = [path for archive in archives for path in archive.rglob("*") if path.is_file()]
    added, failed = map(int, done.stdout.split())
    assert added + failed == len(files)
    with Index.open(tmp_path / "index") as index:
        listed = {failure.path for failure in index.failures()}
        found = {hit.path for hit in index.query(shared / "camera" / "Nikon D100.jpg", k=len(files)).hits}
        assert index.verify().problems == ()
        kinds = Counter(failure.kind for failure in index.failures())
    assert listed | found == {path.resolve() for path in files}
    assert not listed & found
    assert kinds["unreadable"] == 0
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    assert peak < 2 * 2**30
