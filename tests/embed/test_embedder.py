"""Batches submitted ahead of their answers: in order, whole, and never more under way than the engine asks for."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from photos import archive, scene

from retrieval import Index
from retrieval.embed.embedder import Embedder
from retrieval.embed.prepare import ArchiveFile
from retrieval.engines.torch.engine import TorchEngine
from retrieval.errors import Interrupted, ModelError
from retrieval.records import Outcome, Source

Answer = NDArray[np.float32]


class Ahead:
    """A real engine that says it computes by itself, and takes down what is asked of it in which order."""

    def __init__(self, engine: TorchEngine, batches_ahead: int, fails_at: int = 0) -> None:
        self.engine, self.batches_ahead, self.fails_at = engine, batches_ahead, fails_at
        self.precision, self.transform = engine.precision, engine.transform
        self.batch_size = engine.batch_size
        self.log: list[str] = []
        self.sizes: list[int] = []
        self.expected: set[tuple[int, int]] = set()

    def expect(self, images: int, batch_size: int) -> None:
        self.expected.add((images, batch_size))

    def run(self, images: NDArray[np.uint8]) -> Answer:
        return self.engine.run(images)

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Callable[[], Answer]:
        self.sizes.append(len(images))
        number = len(self.sizes)
        self.log.append(f"submit {number}")
        answer = self.engine.submit(images)

        def wait() -> Answer:
            self.log.append(f"wait {number}")
            if number == self.fails_at:
                raise ModelError("cuda failed: an illegal memory access was encountered")
            return answer()

        return wait


def with_engine(embedder: Embedder, batches_ahead: int, fails_at: int = 0) -> Ahead:
    loaded = embedder.network.load()
    engine = Ahead(loaded.engine, batches_ahead, fails_at)
    embedder.network.loaded = loaded._replace(engine=engine)
    return engine


@pytest.fixture
def embedder(model: Path) -> Embedder:
    return Embedder(str(model), engine="torch", device="cpu", batch_size=3, workers=2)


def stream(embedder: Embedder, folder: Path) -> Iterator[list[Outcome]]:
    sources = [Source("a", path.name, path.stat().st_size, 0) for path in sorted(folder.iterdir())]
    files = embedder.read(sources, lambda source: folder / source.relative)
    return embedder.stream(files, count=len(sources))


@pytest.mark.parametrize("batches_ahead", [0, 1, 2, 9])
def test_answers_stay_with_their_photos_however_many_batches_are_under_way(embedder, tmp_path, batches_ahead) -> None:
    folder = archive(tmp_path / "a", 14)
    for number in (0, 5, 13):  # the first, one amid a batch, the last
        (folder / f"{number:03}.jpg").write_bytes(b"no photo")
    expected = {outcome.source.relative: outcome for group in stream(embedder, folder) for outcome in group}
    engine = with_engine(embedder, batches_ahead)
    outcomes = [outcome for group in stream(embedder, folder) for outcome in group]
    assert [outcome.source.relative for outcome in outcomes] == sorted(expected)
    for outcome in outcomes:
        before = expected[outcome.source.relative]
        assert (outcome.failure, outcome.facts) == (before.failure, before.facts)
        assert (outcome.embedding is None) == (before.embedding is None)
        if outcome.embedding:
            np.testing.assert_array_equal(outcome.embedding.vector, before.embedding.vector)
    assert sum(engine.sizes) == 11
    assert engine.expected == {(14, 3)}


def test_an_engine_that_computes_by_itself_has_the_next_batches_before_an_answer_is_waited_for(embedder) -> None:
    engine = with_engine(embedder, 2)
    embedder.embed(scene(seed) for seed in range(12))
    assert engine.log == [
        *("submit 1", "submit 2", "submit 3", "wait 1", "submit 4", "wait 2", "wait 3", "wait 4"),
    ]


def test_an_engine_that_does_not_has_one_batch_at_a_time(embedder) -> None:
    engine = with_engine(embedder, 0)
    embedder.embed(scene(seed) for seed in range(7))
    assert engine.log == ["submit 1", "wait 1", "submit 2", "wait 2", "submit 3", "wait 3"]


def test_photos_that_cannot_be_read_load_no_network(model, tmp_path) -> None:
    known = Embedder(str(model), engine="torch", device="cpu").model
    embedder = Embedder(str(model), engine="torch", device="cpu", expected=known)
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"no photo")
    assert [outcome.failure.kind for group in stream(embedder, folder) for outcome in group] == ["not-a-photo"]
    assert embedder.network.loaded is None


FORKED = """
import os, sys, warnings
from retrieval.embed.embedder import Embedder
from retrieval.errors import ModelError

warnings.simplefilter("ignore", DeprecationWarning)  # Python itself warns of forks beside threads
model, engine, photo = sys.argv[1:]
embedder = Embedder(model, engine=engine, device="cpu")
embedder.embed([photo])
child = os.fork()
if child:
    _, status = os.waitpid(child, 0)
    embedder.embed([photo])
    raise SystemExit(os.waitstatus_to_exitcode(status))
try:
    embedder.embed([photo])
except ModelError as error:
    print(error.remedy, flush=True)
    os._exit(0)
os._exit(1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_process_forked_after_the_network_was_loaded_says_so(model, tmp_path, engine) -> None:
    """Threads do not survive a fork: to wait for them would never end."""
    if engine == "openvino":
        pytest.importorskip("openvino")
    photo = next(archive(tmp_path / "a", 1).iterdir())
    command = [sys.executable, "-c", FORKED, model, engine, photo]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "Remedy.FORK_EARLIER\n"), done.stderr


@pytest.fixture
def index(tmp_path: Path, model: Path) -> Iterator[Index]:
    """An empty index that records every batch of three by itself."""
    with Index.create(tmp_path / "index", model=str(model), device="cpu", batch_size=3) as made:
        made.embedder.group_s = 0
        yield made


def test_a_device_that_fails_midway_loses_no_batch_before(index: Index, tmp_path: Path) -> None:
    folder = archive(tmp_path / "a", 14)
    with_engine(index.embedder, 2, fails_at=3)
    with pytest.raises(ModelError, match="cuda failed"):
        index.add(folder)
    assert index.status().counts.indexed == 6
    index.embedder.network.loaded = None
    report = index.add(folder)
    assert (report.added, report.embedded) == (8, 8)
    assert index.verify().problems == ()


def test_stopping_drops_what_is_under_way_and_keeps_what_is_recorded(index: Index, tmp_path: Path) -> None:
    engine = with_engine(index.embedder, 2)

    def stop(progress) -> None:
        if progress.phase == "embedding":
            raise Interrupted

    with pytest.raises(Interrupted):
        index.add(archive(tmp_path / "a", 14), progress=stop)
    assert engine.log == ["submit 1", "submit 2", "submit 3", "wait 1"]
    assert index.status().counts.indexed == 3
    assert index.add(tmp_path / "a").added == 11


def test_files_that_were_read_come_in_order_with_their_bytes_and_failures(embedder, tmp_path) -> None:
    folder = archive(tmp_path / "a", 5)
    gone = Source("a", "gone.jpg", 10, 7)
    sources = [*(Source("a", path.name, path.stat().st_size, 0) for path in sorted(folder.iterdir())), gone]
    files = list(embedder.read(sources, lambda source: folder / source.relative))
    assert [file.outcome.source for file in files] == sources
    for file in files[:-1]:
        assert file.data == (folder / file.outcome.source.relative).read_bytes()
        assert file.outcome.content_hash == hashlib.sha256(file.data).digest()
    assert (files[-1].data, files[-1].outcome.failure.kind) == (None, "unreadable")


def test_a_file_without_data_passes_as_it_is(embedder, tmp_path) -> None:
    folder = archive(tmp_path / "a", 7)
    sources = [Source("a", path.name, path.stat().st_size, 0) for path in sorted(folder.iterdir())]
    files = embedder.read(sources, lambda source: folder / source.relative)
    some = (ArchiveFile(file.outcome) if number in (0, 3, 4) else file for number, file in enumerate(files))
    outcomes = [outcome for group in embedder.stream(some) for outcome in group]
    assert [outcome.source for outcome in outcomes] == sources
    assert [outcome.embedding is None for outcome in outcomes] == [number in (0, 3, 4) for number in range(7)]
    assert embedder.passes == 4


@pytest.mark.gpu
def test_a_gpu_indexes_as_the_cpu_does(model, tmp_path) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    folder = archive(tmp_path / "a", 300)
    vectors = []
    for device in ("cpu", "cuda"):
        embedder = Embedder(str(model), engine="torch", device=device, precision="fp32", batch_size=16)
        outcomes = [outcome for group in stream(embedder, folder) for outcome in group]
        vectors.append(np.stack([outcome.embedding.vector for outcome in outcomes]))
    assert (vectors[0] * vectors[1]).sum(axis=1).min() >= 0.9999
