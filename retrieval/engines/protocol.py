"""What an engine is: a network that turns images into features, and the module that starts it."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.models.lazy_checkpoint import LazyCheckpoint
from retrieval.models.transform import InputTransform

INT8 = "int8"  # the precision of a network that was calibrated for one index
Floats = NDArray[np.float32]
Images = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]  # (n, height, width, 3), together or one by one


class Engine(Protocol):
    """A network that is ready to run."""

    @property
    def precision(self) -> str:
        """The arithmetic of its matrix products."""

    @property
    def transform(self) -> InputTransform:
        """How a photo becomes its input."""

    @property
    def batch_size(self) -> int:
        """How many images one run should have."""

    @property
    def batches_ahead(self) -> int:
        """How many batches to submit beyond the one that is waited for: 0 where that gains nothing."""

    def expect(self, images: int, batch_size: int) -> None:
        """Announce how many images will come, in batches of this size; 0 where nobody knows."""

    def run(self, images: NDArray[np.uint8]) -> Floats:
        """Return the features (n, d), not normalised, of RGB images (n, height, width, 3).

        Raises ValueError for images of another size or type, ModelError where the device fails.
        """

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Callable[[], Floats]:
        """Begin a run of images, each (height, width, 3); return the function that waits for its features.

        Either may raise what `run` raises.
        """


class EngineModule(Protocol):
    """What the registry expects of the module that it names for an engine."""

    def precisions(self) -> tuple[str, ...]:
        """Return the precisions in which the engine computes on this machine, beside "auto"."""

    def start(self, checkpoint: LazyCheckpoint, *, device: str, precision: str) -> Engine:
        """Load a network.

        Raises CheckpointError for weights that cannot be used, ModelError for what cannot be had on this machine.
        """
