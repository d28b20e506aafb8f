"""A run that stops in the middle of a shot, but has time to tidy up, leaves every file under its own name."""

import os
import signal

import pytest
from photos import photo
from removals import Library, group, plan, tree

from retrieval.dedupe.run.apply import apply
from retrieval.dedupe.run.records import ApplyOptions, Mode
from retrieval.dedupe.run.undo import undo
from retrieval.errors import IndexProblem, JournalError, RetrievalError

resource = pytest.importorskip("resource", reason="limits of a process are those of Unix")


@pytest.fixture
def library(index, tmp_path):
    return Library(index, tmp_path / "archive")


@pytest.fixture
def shot(library):
    """A photo, and its copy with a sidecar."""
    kept = photo(library.root / "a" / "kept.jpg", 1)
    copy = library.file("b/copy.jpg", kept.read_bytes())
    library.file("b/copy.xmp", "edits")
    return plan(group(1, kept, copy))


def visible(library, *, times=True):
    """What a person sees of the archive."""
    found = {name: facts for name, facts in tree(library.root).items() if not name.startswith(".retrieval-held")}
    return found if times else {name: facts and facts[0] for name, facts in found.items()}


def limited(work, size):
    """Do something while no file of this process may grow beyond a size: as on a full disk, writing fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        return work()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, previous)


@pytest.mark.parametrize("mode", [Mode.MOVE, Mode.HARDLINK])
@pytest.mark.parametrize("size", range(500, 2900, 200))
def test_where_the_index_cannot_be_written_any_more(library, shot, mode, size):
    store, before = library.store(), tree(library.root)
    times = mode is Mode.MOVE  # a file apart from its keeper needs room
    seen = visible(library, times=times)
    with pytest.raises(RetrievalError) as caught:
        limited(lambda: apply(store, shot, ApplyOptions(mode)), size)
    assert isinstance(caught.value, JournalError | IndexProblem)
    assert visible(library, times=times) == seen
    report = apply(store, shot, ApplyOptions(mode))
    assert (report.photos, report.skipped) == (1, [])
    undo(store)
    assert tree(library.root) == before
    store.close()


@pytest.mark.parametrize(("name", "call"), [("replace", 1), ("replace", 2), *(("fsync", call) for call in range(4, 9))])
def test_a_second_interrupt(library, shot, monkeypatch, name, call):
    store, before = library.store(), tree(library.root)
    calls, real = 0, getattr(os, name)

    def interrupted(*arguments):
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(os, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        apply(store, shot)
    assert visible(library) == before
    monkeypatch.undo()
    assert apply(store, shot).photos == 1
    undo(store)
    assert tree(library.root) == before
    store.close()
