"""The networks that know what the student is to learn: one gives general features, the other knows bird species."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from retrieval.errors import CheckpointError
from retrieval.models import checkpoint

Bytes: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

BACKGROUND = "background"  # the class of pictures without a bird
_LABEL = re.compile(r"(?P<scientific>[^()]+?)\s*\((?P<common>.+)\)")
_ROUNDING = ("FakeQuantize", "Convert")  # what a quantised network puts between its layers


@dataclass(frozen=True, slots=True)
class Species:
    """What a class of the species teacher stands for."""

    scientific: str  # empty for the class of pictures without a bird
    common: str


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What the teachers make of n images."""

    features: Floats  # (n, width): the feature teacher's class token, not normalised
    logits: Floats  # (n, species): the species teacher's
    hints: Floats  # (n, channels): what the species teacher's last layer reads


class FeatureTeacher:
    """A vision transformer with a class token, from a checkpoint."""

    def __init__(self, path: Path) -> None:
        """Read a checkpoint; raises CheckpointError where it cannot be learnt from."""
        loaded = checkpoint.load(path)
        if not loaded.config.class_token:
            raise CheckpointError(f"{path} has no class token, so there is nothing to learn from it")
        self.transform = loaded.transform
        self._network = loaded.network()
        self._mean, self._std = (torch.tensor(v).view(3, 1, 1) for v in (loaded.transform.mean, loaded.transform.std))

    @torch.inference_mode()
    def features(self, images: Bytes) -> Floats:
        """The class tokens (n, width) of RGB images (n, 3, height, width) of the teacher's own size."""
        scaled = (torch.from_numpy(images).float() / 255 - self._mean) / self._std
        found: Floats = self._network(scaled)[0].numpy()
        return found


class SpeciesTeacher:
    """An image classifier in TensorFlow Lite's format: uint8 RGB in, softmax of one linear layer out."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Read the network; raises CheckpointError where it has no such end. `threads` are its CPU threads."""
        from retrieval.engines.openvino.core import core
        from retrieval.engines.openvino.without_telemetry import openvino

        try:
            model = core().read_model(path)
        except RuntimeError as error:
            raise CheckpointError(f"{path} cannot be read as a network: {str(error).splitlines()[0]}") from error
        logits, hints = _ends(model, path)
        cut = openvino.Model([logits, hints], model.get_parameters(), "species_teacher")
        height, width = (int(side) for side in list(model.inputs[0].get_shape())[1:3])
        cut.reshape([-1, height, width, 3])
        options: dict[str, Any] = {} if threads is None else {"INFERENCE_NUM_THREADS": threads}
        self.size = (height, width)  # pixels
        self._compiled = core().compile_model(cut, "CPU", options)

    def answers(self, images: Bytes) -> tuple[Floats, Floats]:
        """The logits (n, species) and hints (n, channels) of RGB images (n, 3, height, width) of the teacher's size."""
        results = self._compiled(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
        return results[0].copy(), results[1].copy()  # the network's own memory is used again by the next call


def read_species(path: Path) -> tuple[Species, ...]:
    """The classes of a label file, whose lines are `number Scientific name (Common name)`, by number.

    Raises CheckpointError where the numbers are not those from 0 on.
    """
    species = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        number, _, label = line.strip().partition(" ")
        if not number.isdecimal():
            raise CheckpointError(f"{path} holds a line without a number: {line!r}")
        species[int(number)] = species_of(label)
    if set(species) != set(range(len(species))):
        raise CheckpointError(f"the classes of {path} are not numbered from 0 on")
    return tuple(species[number] for number in range(len(species)))


def species_of(label: str) -> Species:
    """The two names in `Scientific name (Common name)`; a label without a common name keeps the one it has."""
    match = _LABEL.fullmatch(label)
    if match is None:
        return Species("", BACKGROUND) if label == BACKGROUND else Species(label, label)
    return Species(match["scientific"], match["common"])


def _ends(model: Any, path: Path) -> tuple[Any, Any]:
    """The outputs of a network that its softmax and its last linear layer read."""
    found = [node for node in model.get_ordered_ops() if node.get_type_name() == "Softmax"]
    if len(found) != 1:
        raise CheckpointError(f"{path} does not end in one softmax")
    logits = _unrounded(found[0].input_value(0))
    layer = logits.get_node()
    while layer.get_type_name() in ("Add", *_ROUNDING):
        layer = layer.input_value(0).get_node()
    if layer.get_type_name() != "MatMul":
        raise CheckpointError(f"{path} does not end in a linear layer")
    return logits, _unrounded(layer.input_value(0))


def _unrounded(output: Any) -> Any:
    while output.get_node().get_type_name() in _ROUNDING:
        output = output.get_node().input_value(0)
    return output


def ask(features: FeatureTeacher, species: SpeciesTeacher, images: Bytes) -> Answers:
    """What both teachers make of RGB images (n, 3, height, width), of the size that both take."""
    logits, hints = species.answers(images)
    return Answers(features.features(images), logits, hints)


def names(species: Sequence[Species]) -> tuple[str, ...]:
    """One label for each class, for people: its common name."""
    return tuple(one.common for one in species)
