"""A hub on this machine with one model, and a person who uses it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import Hub, running_hub
from hub_users import MODEL, REPOSITORY, Person
from tiny import tiny_checkpoint


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return tiny_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors").read_bytes()


@pytest.fixture
def hub(weights: bytes) -> Iterator[Hub]:
    with running_hub() as hub:
        hub.files[REPOSITORY] = {f"{MODEL}.pt": weights, "README.md": b"# A model"}
        yield hub


@pytest.fixture
def person(tmp_path: Path, hub: Hub, weights: bytes) -> Person:
    return Person(tmp_path, hub.url, **{MODEL: hashlib.sha256(weights).hexdigest()})
