import pytest

from retrieval.models import speeds
from retrieval.models.available import available_models
from retrieval.models.known import COMPACT, COMPACT_FILE, FLAGSHIP, HUB_MODELS


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("RETRIEVAL_CACHE_DIR", str(tmp_path / "cache"))


def test_every_network_with_a_name_is_listed_the_flagship_first():
    found = list(available_models())
    names = [one.name for one in found]
    assert names[0] == "flagship"
    assert FLAGSHIP not in names  # its short name stands for it
    assert set(names) >= set(HUB_MODELS) - {FLAGSHIP}
    assert (COMPACT in names) == COMPACT_FILE.is_file()
    flagship = HUB_MODELS[FLAGSHIP]
    assert (found[0].classes, found[0].input_size, found[0].about) == (735, 384, flagship.about)


def test_a_rate_is_told_of_the_network_that_it_was_measured_with():
    speeds.remember(HUB_MODELS[FLAGSHIP].sha256, (384, 384), 1_000, 100.0)
    rates = {one.name: one.photos_per_s for one in available_models()}
    assert rates.pop("flagship") == 10.0
    assert set(rates.values()) == {None}
