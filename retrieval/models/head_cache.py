"""Heads kept between runs: a start whose engine has its network in a cache needs no checkpoint for the head either."""

import contextlib
from pathlib import Path

from retrieval.errors import CheckpointError
from retrieval.models.digest import cache_folder
from retrieval.models.head import Head
from retrieval.models.lazy_checkpoint import LazyCheckpoint

KEPT = 16  # heads; the flagship's takes 2 MB


def head_of(checkpoint: LazyCheckpoint) -> Head:
    """Return the head of a network from the cache, else from its checkpoint, and keep it. Raises CheckpointError."""
    path = cache_folder() / "heads" / f"{checkpoint.sha256}.safetensors"
    with contextlib.suppress(CheckpointError):  # none there, or broken
        return Head.load(path, weights_sha256=checkpoint.sha256)
    head = Head.of(checkpoint.load())
    with contextlib.suppress(OSError):  # no room, or no right to write
        path.parent.mkdir(parents=True, exist_ok=True)
        head.save(path, weights_sha256=checkpoint.sha256)
        _forget_others(path)
    return head


def _forget_others(path: Path) -> None:
    """Delete the heads that were made first."""
    others = sorted(path.parent.glob("*.safetensors"), key=lambda other: other.stat().st_mtime, reverse=True)
    for other in others[KEPT:]:
        other.unlink(missing_ok=True)
