"""The benchmark of search at size runs as a whole on few rows; what it draws and how it judges hold."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from bench import generated

BENCH = Path(generated.__file__).parent
TINY = ("--rows=1000", "--batch=20", "--singles=3", "--rounds=1", "--rivals-python=no-python")


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, BENCH / "million.py", *words], capture_output=True, text=True)


@pytest.fixture(scope="module")
def scale():
    """The benchmark's own modules, which import each other as its scripts see them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        from scale import comparison, filters, growth

        yield {"comparison": comparison, "filters": filters, "growth": growth}


@pytest.fixture(scope="module")
def hard(tmp_path_factory):
    return generated.generate(generated.Hard(5), 40_000, 5, tmp_path_factory.mktemp("vectors"))


def test_a_run(tmp_path):
    done = command(*TINY, "--parts=search,filters,query", "--rivals=hnswlib", "--work", str(tmp_path))
    assert done.returncode == 0, done.stderr
    for title in ("search,", "filters", "query,"):
        assert f"\n{title}" in done.stdout
    lines = {line.split()[0]: line.split() for line in reversed(done.stdout.splitlines()) if line.strip()}
    assert float(lines["ours"][4]) > 0.9
    assert lines["exact"][1] == "1.0000"
    assert "hnswlib is left out: no-python cannot be started" in done.stderr


@pytest.mark.slow
def test_a_run_of_all_other_parts(tmp_path):
    done = command(*TINY, "--parts=open,growth,pairs")
    assert done.returncode == 0, done.stderr
    for title in ("open,", "growth,", "pairs,"):
        assert f"\n{title}" in done.stdout
    assert "vectors.f16 +0.77 MB" in done.stdout
    assert "time grows with rows to the power of" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--parts", "search,nonsense"], "there is no part 'nonsense'"),
        (["--rivals", "nonsense"], "there is no rival 'nonsense'"),
        (["--distribution", "real"], "name their folder with --folder"),
        (["--rows", "0"], "not a positive number"),
    ],
)
def test_what_cannot_be_run_is_said(words, expected):
    done = command(*words)
    assert done.returncode
    assert expected in done.stderr.splitlines()[-1]


def test_vectors_depend_on_the_seed_alone(hard, tmp_path):
    vectors = hard.vectors
    assert np.allclose(np.linalg.norm(vectors[::97].astype(np.float32), axis=1), 1, atol=1e-3)
    fewer = generated.generate(generated.Hard(5), 20_000, 5, tmp_path)
    assert np.array_equal(fewer.vectors, vectors[:20_000])
    assert np.array_equal(fewer.labels, hard.labels[:20_000])
    other = generated.generate(generated.Hard(6), 100, 6, tmp_path)
    assert not np.array_equal(other.vectors, vectors[:100])


def test_hard_clusters_follow_zipf(hard):
    sizes = np.bincount(hard.labels, minlength=2000) / hard.rows
    expected = 1 / np.arange(1, 2001) ** 1.3
    assert np.allclose(sizes[:10], (expected / expected.sum())[:10], rtol=0.1)


def test_queries_and_later_rows_are_new_draws(hard):
    queries, labels = hard.queries(50)
    again, _ = hard.queries(50)
    later = np.stack(list(islice(hard.later(), 50)))
    assert np.array_equal(queries, again)
    for new in (queries, later):
        assert np.abs(new @ hard.vectors[:5000].astype(np.float32).T).max() < 0.999
    assert len(labels) == 50
    assert hard.queries_of([3, 7], 20).shape == (20, 768)


def test_real_vectors_stay_near_their_species(tmp_path):
    draw = np.random.default_rng(0)
    species = np.repeat(np.arange(6, dtype=np.int32), 5)[:-4]  # the last has one photo only
    photos = draw.standard_normal((6, 64))[species] + 0.3 * draw.standard_normal((len(species), 64))
    photos = (photos / np.linalg.norm(photos, axis=1, keepdims=True)).astype(np.float32)
    made = generated.generate(generated.Real(1, photos, species), 3000, 1, tmp_path)
    queries, labels = made.queries(300)
    nearest = (queries @ made.vectors.astype(np.float32).T).argmax(axis=1)
    assert (made.labels[nearest] == labels).mean() > 0.9
    assert len(np.unique(made.vectors, axis=0)) == 3000


@pytest.mark.parametrize("reached", [0, 1, 5, 38, 39])
def test_the_cheapest_knob_is_found(scale, reached):
    knobs = list(range(100, 140))
    asked = []

    def recall_at(knob):
        asked.append(knob)
        return 0.99 if knob >= 100 + reached else 0.98

    assert scale["comparison"].cheapest(knobs, recall_at, 0.99) == 100 + reached
    assert len(set(asked)) <= 12
    assert scale["comparison"].cheapest(knobs, lambda _knob: 0.5, 0.99) == 139


def test_whole_clusters_are_chosen(scale, hard):
    for share in (0.5, 0.01, 0.0001):
        clusters = scale["filters"].some_clusters(hard.labels, share, np.random.default_rng(0))
        found = np.isin(hard.labels, clusters).mean()
        assert 0.8 * share <= found <= share
    one = scale["filters"].some_clusters(hard.labels, 0.0, np.random.default_rng(0))
    assert len(one) == 1


def test_changed_files_are_told_apart(scale, tmp_path):
    for name in ("grown", "anew", "same"):
        (tmp_path / name).write_bytes(b"x" * 1000)
    before = {path.name: path.stat() for path in tmp_path.iterdir()}
    with (tmp_path / "grown").open("ab") as file:
        file.write(b"x" * 10_000)
    (tmp_path / "other").write_bytes(b"y" * 20_000)
    (tmp_path / "other").replace(tmp_path / "anew")
    words = scale["growth"].changes(before, {path.name: path.stat() for path in tmp_path.iterdir()})
    assert words == "anew written anew, 0.0 MB, grown +0.01 MB"
