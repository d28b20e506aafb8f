"""Catalogues of six real photos, and of many that are drawn at random."""

import pytest
from catalogues import draw, write
from photos import archive, photo

from retrieval.catalogue.photos import Photos
from retrieval.store import Store


@pytest.fixture
def store(index, tmp_path):
    """Six photos of one index; 000.jpg and copy.jpg have the same bytes."""
    folder = archive(tmp_path / "archive", 5)
    (folder / "copy.jpg").write_bytes((folder / "000.jpg").read_bytes())
    photo(folder / "deep" / "last.png", 99)
    index.add(folder)
    opened = Store.open(index.folder)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    entries = draw(600, seed=7)
    database = write(tmp_path_factory.mktemp("catalogue") / "catalogue.sqlite", entries)
    yield entries, Photos(database)
    database.close()


@pytest.fixture
def database(tmp_path):
    """A catalogue of 300 contents."""
    made = write(tmp_path / "catalogue.sqlite", draw(300, 1))
    yield made
    made.close()
