"""Checkpoint files of the family in every spelling, and why one is refused."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_network
from torch import Tensor

from retrieval.errors import CheckpointError
from retrieval.models import checkpoint
from retrieval.models.checkpoint import Checkpoint

Contents = dict[str, Any]
LEGACY = {
    ".norm1.": ".ln1.",
    ".norm2.": ".ln2.",
    ".attn.qkv.": ".self_attention.in_proj_",
    ".attn.proj.": ".self_attention.out_proj.",
}


def legacy_spelling(state: dict[str, Tensor]) -> dict[str, Tensor]:
    def old(name: str) -> str:
        for modern, legacy in LEGACY.items():
            name = name.replace(modern, legacy)
        return name

    return {old(name): tensor for name, tensor in state.items()}


def contents(network: Checkpoint | None = None, **changes: Any) -> Contents:
    """What a `.pt` file of the family holds; `changes` replace parts, None removes them."""
    network = network or tiny_network()
    made: Contents = {
        "state": dict(network.state),
        "birder_version": "v0.8.4",
        "task": "image_classification",
        "signature": {
            "inputs": [{"data_shape": [0, 3, *network.config.image_size]}],
            "outputs": [{"data_shape": [0, network.config.classes]}],
        },
        "class_to_idx": {label: index for index, label in enumerate(network.labels)},
        "rgb_stats": {"mean": network.transform.mean, "std": network.transform.std},
        "config": {"num_heads": network.config.heads},
    }
    return {key: value for key, value in (made | changes).items() if value is not None}


def written(folder: Path, what: object, name: str = "network.pt") -> Path:
    torch.save(what, folder / name)
    return folder / name


def assert_same(loaded: Checkpoint, expected: Checkpoint) -> None:
    assert (loaded.config, loaded.labels, loaded.transform) == (expected.config, expected.labels, expected.transform)
    assert loaded.state.keys() == expected.state.keys()
    for name, tensor in expected.state.items():
        assert loaded.state[name].dtype == torch.float32
        assert torch.equal(loaded.state[name], tensor), name


def refusal(path: Path) -> str:
    """Why a file is refused: one line that names the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError) as caught:
            checkpoint.load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message
