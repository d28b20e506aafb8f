"""What is read from a file of weights, and what is refused: broken files, other files, files with code in them."""

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from checkpoint_files import contents, refusal, written
from tiny import tiny_checkpoint, tiny_network
from torch import nn

from retrieval.errors import CheckpointError
from retrieval.models import checkpoint, weightfile


@pytest.mark.parametrize("name", ["network.pt", "network.safetensors"])
@pytest.mark.parametrize("kept", [1, 7, 40, 1000, 0.5, 0.99, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, kept: float) -> None:
    checkpoint.save(tmp_path / "network.safetensors", tiny_network())
    data = written(tmp_path, contents()).read_bytes() if name.endswith("pt") else (tmp_path / name).read_bytes()
    size = int(len(data) * kept) if 0 < kept < 1 else int(kept) % len(data)
    (tmp_path / name).write_bytes(data[:size])
    assert re.search("truncated|damaged|not a checkpoint", refusal(tmp_path / name))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"hello", "is not a checkpoint"),
        (bytes(5000), "is not a checkpoint"),
        (b"\n<!DOCTYPE html><html>Not Found</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:78db\nsize 331000000\n", "Git LFS pointer"),
        (pickle.dumps([1, 2, 3], protocol=2), "not a checkpoint"),
        (pickle.dumps(["x" * 500])[:300], "damaged"),
        (b"\x10" + bytes(7) + b"{ no JSON here }", "truncated or damaged"),
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "network.pt").write_bytes(data)
    assert reason in refusal(tmp_path / "network.pt")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "network.pt")
    assert "folder" in refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a file it may not read")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "network.safetensors")
    path.chmod(0)
    assert "cannot be read" in refusal(path)


class Payload:
    """What an attacker would pickle: unpickling it creates the marker file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., None], tuple[object, ...]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_never_run(tmp_path: Path, zipped: bool) -> None:
    marker, path = tmp_path / "code was run", tmp_path / "network.pt"
    torch.save(contents(training=Payload(marker)), path, _use_new_zipfile_serialization=zipped)
    message = refusal(path)
    assert not marker.exists()
    assert "carries code" in message
    assert "mkdir" in message
    assert "not run" in message
    torch.load(path, weights_only=False)  # the file does what the test says it would
    assert marker.is_dir()


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    assert "carries code (torch.nn.modules.linear.Linear)" in refusal(written(tmp_path, nn.Linear(2, 2)))


@pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated, its files are not gone
def test_a_torchscript_program_is_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "network.pt")
    assert "TorchScript" in refusal(tmp_path / "network.pt")


@pytest.mark.parametrize("what", [{"a": torch.zeros(2)}, {"state": 3}, {"state": {"a": 1}}, [torch.zeros(2)], None])
def test_torch_files_of_other_things_are_refused(tmp_path: Path, what: object) -> None:
    assert "not a checkpoint of the birder family" in refusal(written(tmp_path, what))


def test_safetensors_without_metadata_are_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file(tiny_network().state, tmp_path / "bare.safetensors")
    assert "does not tell the number of attention heads" in refusal(tmp_path / "bare.safetensors")


def test_broken_metadata_is_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file(tiny_network().state, tmp_path / "a.safetensors", {"class_to_idx": '{"Hoopoe": '})
    assert "'class_to_idx' is not JSON" in refusal(tmp_path / "a.safetensors")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6).reshape(2, 3), "b": torch.ones(3, 2).t()}
    weightfile.write(tmp_path / "a.safetensors", tensors, {"task": "x", "sizes": [1, 2], "stats": {"mean": 0.5}})
    found = weightfile.read(tmp_path / "a.safetensors")
    assert found.tensors.keys() == tensors.keys()
    assert all(torch.equal(found.tensors[name], tensors[name]) for name in tensors)
    assert (found.metadata["sizes"], found.metadata["stats"]) == ([1, 2], {"mean": 0.5})


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    weightfile.write(path, {"a": torch.ones(2)}, {})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        weightfile.write(path, {"a": torch.zeros(2)}, {"no JSON": object()})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("seed", range(40))
def test_bytes_that_changed_are_refused_or_harmless(tmp_path: Path, seed: int) -> None:
    """Whatever a bad disk makes of a file, the only error is CheckpointError."""
    random = np.random.default_rng(seed)
    data = bytearray(written(tmp_path, contents()).read_bytes())
    for position in random.integers(0, len(data) if seed % 2 else 4000, 10):
        data[position] = random.integers(256)
    (tmp_path / "network.pt").write_bytes(data)
    try:
        assert checkpoint.load(tmp_path / "network.pt").network().config.width == 32
    except CheckpointError as error:
        assert "network.pt" in str(error)
