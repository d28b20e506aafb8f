"""Checkpoint files on disk: tensors and metadata out of either container; their meaning is `checkpoint`'s.

A container is known by its first bytes, not by its name. Nothing in a file is ever executed: pickles go
through torch's `weights_only` reader, and safetensors files cannot carry code.
"""

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from retrieval.durable import replacing
from retrieval.errors import CheckpointError, Remedy

_FOREIGN = (  # what lies under a checkpoint's name when its download went wrong
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the weights themselves (`git lfs pull` gets them, where it came from)",
    ),
    (b"<!doctype", "a web page, not a checkpoint; the server answered the download with a page"),
    (b"<html", "a web page, not a checkpoint; the server answered the download with a page"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What a checkpoint file holds: named tensors, and everything else as plain values."""

    tensors: dict[str, Tensor]
    metadata: dict[str, Any]


def read(path: Path) -> Contents:
    """The contents of a `.pt` or `.safetensors` file, memory-mapped where the container allows it.

    Raises CheckpointError if the file is missing, empty, truncated, no checkpoint, or needs code to be run.
    """
    head = _first_bytes(path)
    for magic, what in _FOREIGN:
        if head.lstrip().lower().startswith(magic):
            raise CheckpointError(f"{path} is {what}", Remedy.DOWNLOAD_AGAIN)
    if head.startswith(b"PK"):
        _check_archive(path)
        return _from_torch(path, _load(path, mmap=True))
    if head[8:9] == b"{":
        return _from_safetensors(path)
    if head[:1] == pickle.PROTO:
        return _from_torch(path, _load(path, mmap=False))
    raise CheckpointError(f"{path} is not a checkpoint: neither a torch file nor safetensors", Remedy.DOWNLOAD_AGAIN)


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write a safetensors file, all of it or nothing; values that are not text become JSON text."""
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with replacing(path) as partial:
        safetensors.torch.save_file(contiguous, partial, text)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist", Remedy.OTHER_MODEL) from None
    except IsADirectoryError:
        raise CheckpointError(f"{path} is a folder", Remedy.CHECKPOINT_FILE) from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}", Remedy.OTHER_MODEL) from error
    if not head:
        raise CheckpointError(f"{path} is empty", Remedy.DOWNLOAD_AGAIN)
    return head


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        raise CheckpointError(f"{path} is truncated or damaged: its end is missing", Remedy.DOWNLOAD_AGAIN) from None
    if any(name.endswith("/constants.pkl") for name in names):
        raise CheckpointError(
            f"{path} is a TorchScript program, not plain weights; it was not run", Remedy.DOWNLOAD_AGAIN
        )


def _load(path: Path, *, mmap: bool) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about pickle protocols and old containers: the reader's own business
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
        except pickle.UnpicklingError as error:
            raise _not_unpickled(path, str(error)) from error
        except Exception as error:  # broken bytes make the reader fail with nearly any built-in exception
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise CheckpointError(
                f"{path} is damaged, or not a checkpoint ({reason})", Remedy.DOWNLOAD_AGAIN
            ) from error


def _not_unpickled(path: Path, message: str) -> CheckpointError:
    named = re.search(r"GLOBAL ([\w.]+)", message)
    if named is None:
        return CheckpointError(
            f"{path} is damaged or not a checkpoint: its pickle cannot be read", Remedy.DOWNLOAD_AGAIN
        )
    return CheckpointError(
        f"{path} carries code ({named[1]}), which was not run; nothing was loaded", Remedy.PLAIN_WEIGHTS
    )


def _from_torch(path: Path, loaded: object) -> Contents:
    if isinstance(loaded, dict) and isinstance(tensors := loaded.get("state"), dict):
        metadata = {str(key): value for key, value in loaded.items() if key != "state"}
        if all(isinstance(tensor, Tensor) for tensor in tensors.values()):
            return Contents({str(name): tensor for name, tensor in tensors.items()}, metadata)
    raise CheckpointError(
        f"{path} is not a checkpoint of the birder family: weights under 'state', with their labels and input "
        "statistics, are missing",
        Remedy.DOWNLOAD_AGAIN,
    )


def _from_safetensors(path: Path) -> Contents:
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            text = file.metadata() or {}
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is truncated or damaged ({error})", Remedy.DOWNLOAD_AGAIN) from error
    return Contents(tensors, {key: _value(path, key, value) for key, value in text.items()})


def _value(path: Path, key: str, text: str) -> Any:
    """Structures are kept as JSON; names and versions as plain text."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise CheckpointError(f"{path} is damaged: its '{key}' is not JSON", Remedy.DOWNLOAD_AGAIN) from None
