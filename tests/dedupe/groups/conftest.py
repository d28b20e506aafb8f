import pytest
from matched import MatchedPhotos


@pytest.fixture
def photos(index, tmp_path):
    root = tmp_path / "archive"
    root.mkdir()
    return MatchedPhotos(index, root.resolve())
