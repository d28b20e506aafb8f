"""What several test modules need: the shared folder of real photos, a tiny network, an empty index."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: on a busy machine its threads would spin in vain

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import tiny_checkpoint

from retrieval import Index


def _shared_folder() -> Path:
    default = Path(__file__).parents[2] / "shared"
    return Path(os.environ.get("RETRIEVAL_SHARED", default)) / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos, hard files and checkpoints, where there is one."""
    folder = _shared_folder()
    if not folder.is_dir():
        pytest.skip(f"no shared folder at {folder}: set RETRIEVAL_SHARED to run this test")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Networks made by tests stay out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETRIEVAL_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a tiny random network."""
    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture
def index(tmp_path: Path, model: Path) -> Iterator[Index]:
    """An empty index with the tiny network."""
    with Index.create(tmp_path / "index", model=str(model), device="cpu") as made:
        yield made
