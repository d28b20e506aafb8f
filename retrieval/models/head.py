"""The classifier of a network by itself, the one author of logits: from new features and stored ones, without torch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.durable import replacing
from retrieval.errors import CheckpointError, Remedy
from retrieval.models.known import LabelKind
from retrieval.records import Prediction

if TYPE_CHECKING:  # a checkpoint comes with torch, which a stored head does without
    from retrieval.models.checkpoint import Checkpoint

Floats = NDArray[np.float32]
HEAD_NAME = "head.safetensors"  # of an index


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """One linear layer in float32: logits = features x weight^T + bias."""

    weight: Floats  # (classes, d)
    bias: Floats  # (classes,)
    labels: tuple[str, ...]  # by index of the logit
    label_kind: LabelKind = "species"  # "general" labels identify no species

    @classmethod
    def of(cls, checkpoint: "Checkpoint") -> "Head":
        """Return the head of a network; that of a network without classes predicts nothing."""
        kind = checkpoint.label_kind
        if not checkpoint.labels:
            return cls(np.zeros((0, checkpoint.config.width), np.float32), np.zeros(0, np.float32), (), kind)
        weight, bias = checkpoint.state["classifier.weight"], checkpoint.state["classifier.bias"]
        return cls(weight.numpy(), bias.numpy(), checkpoint.labels, kind)

    @property
    def dimension(self) -> int:
        """Numbers in a feature: d."""
        return int(self.weight.shape[1])

    def logits(self, features: Floats) -> Floats:
        """Return the logits (n, classes), float32, of features (n, d), which are not normalised: direction x norm."""
        return np.asarray(features.astype(np.float32, copy=False) @ self.weight.T + self.bias, dtype=np.float32)

    def predict(self, features: Floats, count: int) -> list[tuple[Prediction, ...]]:
        """Return, for each of the features (n, d), its `count` most probable species, or all if there are fewer.

        Features that are not finite have no prediction, and cost no warning.
        """
        if count < 1:
            return [()] * len(features)
        with np.errstate(invalid="ignore", over="ignore"):
            return most_probable(self.logits(features), self.labels, count)

    def save(self, path: Path, *, weights_sha256: str) -> None:
        """Write the head as safetensors, all of it or nothing, with the digest of the weights it is part of.

        Raises OSError.
        """
        from safetensors.numpy import save

        metadata = {"labels": json.dumps(self.labels), "weights_sha256": weights_sha256}
        if self.label_kind != "species":
            metadata["label_kind"] = self.label_kind
        tensors = {"weight": np.ascontiguousarray(self.weight), "bias": np.ascontiguousarray(self.bias)}
        with replacing(path) as partial:
            partial.write_bytes(save(tensors, metadata))

    @classmethod
    def load(cls, path: Path, *, weights_sha256: str | None = None) -> "Head":
        """Read what `save` wrote.

        Raises CheckpointError for a file that is missing, broken, or not part of the weights of that digest.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                kind: LabelKind = "general" if metadata.get("label_kind") == "general" else "species"
                labels = tuple(json.loads(metadata["labels"]))
                head = cls(file.get_tensor("weight"), file.get_tensor("bias"), labels, kind)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path} is not a species head ({error})", Remedy.REWRITE_HEAD) from error
        if not len(head.labels) == len(head.weight) == len(head.bias):
            raise CheckpointError(
                f"{path} is damaged, with {len(head.labels)} labels for {len(head.weight)} classes", Remedy.REWRITE_HEAD
            )
        if weights_sha256 is not None and metadata.get("weights_sha256") != weights_sha256:
            raise CheckpointError(f"{path} belongs to other weights", Remedy.REWRITE_HEAD)
        return head


def most_probable(logits: Floats, labels: Sequence[str], count: int) -> list[tuple[Prediction, ...]]:
    """Return, for each row of logits (n, classes), its `count` most probable species, by softmax in float64.

    Ties keep the order of the labels. A row that is not finite has no prediction, nor has any row where there are no
    labels or `count` is below 1.
    """
    if not labels or count < 1:
        return [()] * len(logits)
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(logits).all(axis=1))
    exact = np.where(finite[:, None], logits, 0).astype(np.float64)
    weights = np.exp(exact - exact.max(axis=1, keepdims=True))  # the largest becomes 1: nothing overflows
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    return [
        tuple(Prediction(labels[index], float(row[index])) for index in indices) if usable else ()
        for row, indices, usable in zip(probabilities, best, finite, strict=True)
    ]
