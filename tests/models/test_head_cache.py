"""Heads in the cache: no checkpoint is read for them again, and what is broken is made again."""

import os
from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_checkpoint

from retrieval.models import head_cache, zoo
from retrieval.models.head_cache import head_of
from retrieval.models.lazy_checkpoint import LazyCheckpoint


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETRIEVAL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "heads"


def lazy(path: Path) -> LazyCheckpoint:
    return LazyCheckpoint(zoo.resolve(str(path)))


@pytest.mark.parametrize("kind", ["species", "general"])
def test_a_head_is_read_from_its_checkpoint_once(tmp_path: Path, cache: Path, kind) -> None:
    weights = lazy(tiny_checkpoint(tmp_path / "tiny.safetensors", label_kind=kind))
    made = head_of(weights)
    weights.weights.path.unlink()
    found = head_of(LazyCheckpoint(weights.weights))
    assert (found.labels, found.label_kind, found.dimension) == (made.labels, kind, 32)
    np.testing.assert_array_equal(found.weight, made.weight)


def test_a_broken_head_is_made_again(tmp_path: Path, cache: Path) -> None:
    path = tiny_checkpoint(tmp_path / "tiny.safetensors")
    made = head_of(lazy(path))
    (file,) = cache.iterdir()
    file.write_bytes(b"\x00" * 20)
    np.testing.assert_array_equal(head_of(lazy(path)).weight, made.weight)
    path.unlink()
    assert head_of(LazyCheckpoint(zoo.Weights("tiny", "tiny", path, file.stem))).labels == made.labels


def test_without_a_place_for_it_a_head_comes_from_the_checkpoint(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RETRIEVAL_CACHE_DIR", str(tmp_path / "file"))
    assert len(head_of(lazy(tiny_checkpoint(tmp_path / "tiny.safetensors"))).labels) == 5


def test_the_oldest_heads_go(tmp_path: Path, cache: Path) -> None:
    cache.mkdir(parents=True)
    for number in range(head_cache.KEPT + 3):
        old = cache / f"{number}.safetensors"
        old.touch()
        os.utime(old, (number, number))
    head_of(lazy(tiny_checkpoint(tmp_path / "tiny.safetensors")))
    assert len(list(cache.iterdir())) == head_cache.KEPT
    assert not old.with_name("3.safetensors").exists()
    assert old.exists()
