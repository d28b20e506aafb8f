import numpy as np
import pytest

from retrieval.errors import CheckpointError
from retrieval.training.pool import Origin, Pool

ORIGIN = Origin(("a", "b"), ("one-1.jpg", "two-1.jpg"), 32, 0)


def shard(n, seed=0):
    generator = np.random.default_rng(seed)
    return {
        "pixels": generator.integers(0, 256, (n, 3, 32, 32)),
        "features": generator.normal(size=(n, 8)),
        "logits": generator.normal(size=(n, 5)),
        "hints": generator.normal(size=(n, 6)),
        "pictures": np.arange(n) % 2,
        "mixed": np.zeros(n),
    }


def test_rows_come_back_across_shards_in_the_order_asked_for(tmp_path):
    pool = Pool(tmp_path, ORIGIN)
    first, second = shard(3), shard(4, seed=1)
    pool.add(first)
    pool.add(second)
    rows = Pool(tmp_path).rows([5, 0, 3])
    wanted = np.stack([second["features"][2], first["features"][0], second["features"][0]])
    assert np.allclose(rows.features, wanted, atol=1e-2)
    assert rows.pixels.dtype == np.uint8 and np.array_equal(rows.pixels[1], first["pixels"][0])


def test_shards_added_elsewhere_are_seen_after_refresh(tmp_path):
    pool, other = Pool(tmp_path, ORIGIN), Pool(tmp_path, ORIGIN)
    other.add(shard(3))
    assert len(pool) == 0
    pool.refresh()
    assert len(pool) == 3 and pool.whole("hints").shape == (3, 6)


def test_a_shard_that_was_not_finished_is_replaced(tmp_path):
    pool = Pool(tmp_path, ORIGIN)
    (tmp_path / "shard-000000.partial").mkdir()
    (tmp_path / "shard-000000.partial" / "pixels.npy").write_bytes(b"half")
    pool.add(shard(2))
    assert len(Pool(tmp_path)) == 2
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("origin", [Origin(("a", "c"), ORIGIN.pictures, 32, 0), Origin(("a", "b"), (), 32, 0)])
def test_a_pool_of_something_else_is_refused(tmp_path, origin):
    Pool(tmp_path, ORIGIN)
    with pytest.raises(CheckpointError, match="other pictures or teachers"):
        Pool(tmp_path, origin)


def test_an_absent_or_broken_pool_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no pool"):
        Pool(tmp_path)
    (tmp_path / "pool.json").write_text("{}")
    with pytest.raises(CheckpointError, match="broken"):
        Pool(tmp_path)
