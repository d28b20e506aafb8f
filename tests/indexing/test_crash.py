"""Killed at any moment, an index is whole: the next run completes it, and verify is clean."""

import multiprocessing
import random
import signal
import sys
import time
from pathlib import Path

import pytest
from killable import run
from photos import archive, photo

from retrieval import Index
from retrieval.store import VECTORS_NAME

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")

PHOTOS = 30
KILLS = 25


@pytest.fixture(scope="module")
def processes():
    """Processes that start with everything imported, so that a kill hits the work and not the imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["retrieval.index", "retrieval.engines.torch.engine", "retrieval.search.ivf.index"])
    return context


def start(processes, *arguments, kill_at_step=0, **options):
    started = processes.Event()
    process = processes.Process(target=run, args=(*arguments, started, kill_at_step), kwargs=options)
    process.start()
    assert started.wait(60)
    return process


def check_truth(folder: Path) -> None:
    """No row without its vector, whatever happened."""
    if not Index.exists(folder):
        return
    with Index.open(folder) as index:
        status = index.status()
        assert (folder / VECTORS_NAME).stat().st_size >= status.counts.vectors * status.model.dimension * 2
        assert status.counts.indexed <= PHOTOS + 9


def finish(folder: Path, model: Path, photos: Path) -> None:
    """The next run completes: no row without its vector, no vector without its row."""
    make = Index.open if Index.exists(folder) else Index.create
    expected = len(list(photos.rglob("*.jpg")))
    with make(folder, model=str(model), device="cpu") as index:
        report = index.add(photos)
        status = index.status()
        assert report.failed == 0
        assert status.counts.indexed == expected
        assert (folder / VECTORS_NAME).stat().st_size == status.counts.vectors * status.model.dimension * 2
        assert index.verify(hashes=True).problems == ()
        some = sorted(photos.rglob("*.jpg"))[expected // 2]
        assert index.query(some, k=1).hits[0].score == pytest.approx(1, abs=1e-3)


def test_killed_at_random_moments(tmp_path, model, processes):
    photos = archive(tmp_path / "photos" / "a", PHOTOS).parent
    start(processes, tmp_path / "warm-up", model, photos).join()
    process = start(processes, tmp_path / "whole", model, photos)
    begun = time.monotonic()
    process.join()
    assert process.exitcode == 0
    whole_run_s = time.monotonic() - begun
    draw = random.Random(7)
    attempts = killed = 0
    while killed < KILLS:
        attempts += 1
        assert attempts < 8 * KILLS
        folder = tmp_path / f"index-{killed // 4}"  # some kills hit a new index, some a half-built one
        process = start(processes, folder, model, photos)
        process.join(draw.random() * whole_run_s)
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        check_truth(folder)
        photo(photos / "new" / f"{attempts % 9}.jpg", 1000 + attempts)  # so that no run has nothing to do
        photo(photos / "a" / f"{draw.randrange(PHOTOS):03}.jpg", 2000 + attempts)
    for number in range(KILLS // 4 + 1):
        finish(tmp_path / f"index-{number}", model, photos)


def test_killed_before_every_durable_step(tmp_path, model, processes):
    """Every sync, rename and commit of a first run, and of one that adds, changes and moves, one after another."""
    photos = archive(tmp_path / "photos" / "a", 5).parent
    step, finished = 0, False
    while not finished:
        step += 1
        folder = tmp_path / f"index-{step}"
        process = start(processes, folder, model, photos, kill_at_step=step)
        process.join()
        finished = process.exitcode == 0
        check_truth(folder)
        finish(folder, model, photos)
    assert step > 15


@pytest.mark.slow
def test_an_index_in_int8_has_vectors_only_with_its_network(tmp_path, model, processes):
    """Killed before every durable step from the first photo to the last, it is calibrated anew or goes on."""
    pytest.importorskip("retrieval.engines.openvino.int8", exc_type=ImportError)
    photos = archive(tmp_path / "photos" / "a", 20).parent
    step, finished, calibrated_anew = 0, False, 0
    while not finished:
        step += 1
        folder = tmp_path / f"index-{step}"
        process = start(processes, folder, model, photos, kill_at_step=step, precision="int8", batch_size=10)
        process.join()
        finished = process.exitcode == 0
        check_truth(folder)
        before = None
        if Index.exists(folder):
            with Index.open(folder) as index:
                before = index.status().calibration
                assert before or not index.status().counts.vectors
        calibrated_anew += before is None
        start(processes, folder, model, photos, precision="int8").join()
        with Index.open(folder) as index:
            status = index.status()
            assert status.counts.indexed == 20
            assert index.verify().problems == ()
            assert before in (None, status.calibration)
    assert 5 < calibrated_anew < step - 3
