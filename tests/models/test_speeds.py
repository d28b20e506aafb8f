import pytest

from retrieval.models import speeds


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RETRIEVAL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


SIZE = (384, 384)


def test_rates_are_photos_a_second_by_weights_and_input_size():
    speeds.remember("a" * 64, SIZE, 500, 10.0)
    speeds.remember("b" * 64, SIZE, 100, 50.0)
    speeds.remember("a" * 64, SIZE, 600, 10.0)
    speeds.remember("a" * 64, (224, 224), 600, 2.0)
    assert speeds.recall("a" * 64, SIZE) == 60.0
    assert speeds.recall("b" * 64, SIZE) == 2.0
    assert speeds.recall("a" * 64, (224, 224)) == 300.0
    assert speeds.recall("c" * 64, SIZE) is None


@pytest.mark.parametrize(("photos", "elapsed_s"), [(99, 1.0), (0, 0.0), (1_000, 0.0)])
def test_short_runs_tell_nothing(cache, photos, elapsed_s):
    speeds.remember("a" * 64, SIZE, photos, elapsed_s)
    assert speeds.recall("a" * 64, SIZE) is None
    assert not cache.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": "fast"}', b'{"a": null}', b"\xff"])
def test_a_broken_file_is_forgotten_and_written_again(cache, content):
    cache.mkdir()
    (cache / "speeds.json").write_bytes(content)
    assert speeds.recall("a" * 64, SIZE) is None
    speeds.remember("a" * 64, SIZE, 200, 100.0)
    assert speeds.recall("a" * 64, SIZE) == 2.0


def test_a_place_that_cannot_be_written_is_no_error(cache):
    cache.write_text("a file where the folder should be")
    speeds.remember("a" * 64, SIZE, 200, 100.0)
    assert speeds.recall("a" * 64, SIZE) is None
