"""An index that was opened before a fork: parent and child go on with it, or the child is told why it cannot.

Each test runs a program of its own, whose child process ends with 0 where everything went as it should.
"""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from bench.catalogue_rows import Shape, fill
from photos import archive

from retrieval.store import Store

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")

PROLOGUE = """
import multiprocessing, os, signal, sys, threading, time, warnings
from pathlib import Path
from retrieval import Index, RetrievalError
from retrieval.errors import IndexLockedError, Remedy

warnings.simplefilter("ignore", DeprecationWarning)  # Python itself warns of forks beside threads
signal.alarm(60)  # instead of waiting for ever
folder, archive, *more = sys.argv[1:]


def forked(work):
    '''Do something in a child process, and return its exit status.'''
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        code = 1
        try:
            work()
            code = 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return child


def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def open_files(name):
    '''How many descriptors of this process are for a file of that name.'''
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return sum(os.readlink(link).endswith(name) for link in links if os.path.islink(link))
"""


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, "-c", PROLOGUE + textwrap.dedent(script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(index, tmp_path):
    index.add(archive(tmp_path / "a", 12))
    index.close()
    return index.folder


def test_child_and_parent_go_on_with_an_index(folder, tmp_path):
    """Also after the parent has closed it, and while another process writes."""
    script = """
        index = Index.open(folder, device="cpu")
        known = Path(archive) / "003.jpg"
        before = index.query(known)
        assert len(before.hits) == 12

        def ask():
            for _ in range(20):
                assert index.query(known).hits == before.hits
                assert len(list(index.photos())) == 12 == index.count()
                os.sched_yield()

        children = [forked(ask) for _ in range(3)]
        ask()
        index.close()
        with Index.open(folder, device="cpu") as writer:
            writer.add(archive)
        assert [ended(child) for child in children] == [0, 0, 0]
    """
    run(script, folder, tmp_path / "a")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_no_connection_crosses_the_fork(folder, tmp_path):
    script = """
        index = Index.open(folder, device="cpu")
        index.count()
        assert open_files("catalogue.sqlite") == 1

        def count():
            assert open_files("catalogue.sqlite") == 0
            index.count()
            assert open_files("catalogue.sqlite") == 1

        assert ended(forked(count)) == 0
        index.count()
    """
    run(script, folder, tmp_path / "a")


def test_a_child_sees_what_is_committed_after_the_parent_closed(folder, tmp_path):
    """Its own connection has its own locks: nobody takes the log away from under it."""
    archive(tmp_path / "a" / "new", 3, first_seed=40)
    script = """
        index = Index.open(folder, device="cpu")
        index.count()
        ready, go = multiprocessing.Event(), multiprocessing.Event()

        def count():
            assert index.count() == 12
            ready.set()
            go.wait()
            assert index.count() == 15

        child = forked(count)
        ready.wait()
        index.close()
        with Index.open(folder, device="cpu") as writer:
            assert writer.add(archive).added == 3
        go.set()
        assert ended(child) == 0
        with Index.open(folder) as index:
            assert index.verify().sound
    """
    run(script, folder, tmp_path / "a")


def test_a_child_that_is_forked_in_the_middle_of_a_listing_says_so(folder, tmp_path):
    script = """
        index = Index.open(folder, device="cpu")
        photos = index.photos()
        first = next(photos)

        def count():
            try:
                index.count()
            except RetrievalError as error:
                assert error.remedy == Remedy.FORK_UNUSED, error
            else:
                raise AssertionError("an inherited connection was used")

        assert ended(forked(count)) == 0
        assert len([first, *photos]) == 12
        assert ended(forked(lambda: index.count())) == 0
    """
    run(script, folder, tmp_path / "a")


def test_workers_of_multiprocessing(folder, tmp_path):
    script = """
        index = Index.open(folder, device="cpu")
        photos = [str(photo.path) for photo in index.photos()]

        def nearest(path):
            return str(index.query(path, k=1).hits[0].path)

        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(nearest, photos) == photos == [nearest(path) for path in photos]
    """
    run(script, folder, tmp_path / "a")


def test_searching_many_in_a_child_does_not_wait_for_threads_that_stayed_behind(tmp_path):
    """FAISS has used its threads in the parent."""
    folder = tmp_path / "made"
    folder.mkdir()
    vectors = np.random.default_rng(0).standard_normal((3_000, 16)).astype(np.float32)
    (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f2").tofile(folder / "vectors.f16")
    with_rows = fill(folder, 3_000, dimension=16, shape=Shape(dead=0)).folder
    store = Store.open(with_rows)
    store.search.rebuild(3_000)
    store.close()
    script = """
        import numpy as np
        from retrieval.store import Store
        import faiss

        faiss.omp_set_num_threads(2)
        store = Store.open(Path(folder))
        queries = store.vectors.read(200).astype(np.float32)

        def search():
            with store.snapshot() as now:
                scores, rows = store.search.search(queries, 3, now.selection())
            assert (rows[:, 0] == np.arange(200)).mean() > 0.9

        search()
        assert ended(forked(search)) == 0
        search()
    """
    run(script, with_rows, tmp_path)


def test_a_lock_stays_with_the_parent(folder, tmp_path):
    """A child that ends, or that leaves what its parent was doing, neither frees the lock nor keeps it."""
    script = """
        from retrieval.lock import writing

        def refused():
            try:
                with writing(Path(folder)):
                    raise AssertionError("two writers at a time")
            except IndexLockedError as error:
                assert f"process {parent}" in str(error), error

        parent = os.getpid()
        ready, go = multiprocessing.Event(), multiprocessing.Event()
        with writing(Path(folder)):
            assert ended(forked(refused)) == 0
            child = os.fork()
            if child:
                assert ended(child) == 0
                assert ended(forked(refused)) == 0
                lasting = forked(lambda: (ready.set(), go.wait()))
                ready.wait()
        if child == 0:
            sys.exit()
        with writing(Path(folder)):  # although a child is alive that was forked with the lock
            pass
        go.set()
        assert ended(lasting) == 0
    """
    run(script, folder, tmp_path)
