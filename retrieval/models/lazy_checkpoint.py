"""A checkpoint that is read when it is first needed: what is cached elsewhere needs neither it nor torch."""

from typing import TYPE_CHECKING

from retrieval.models.zoo import Weights

if TYPE_CHECKING:  # comes with torch
    from retrieval.models.checkpoint import Checkpoint


class LazyCheckpoint:
    """The network of a file of weights, for its own input size or another (height, width) in pixels."""

    def __init__(self, weights: Weights, image_size: tuple[int, int] | None = None) -> None:
        self.weights = weights
        self.image_size = image_size
        self._loaded: Checkpoint | None = None
        self._is_resized = False

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file, in hexadecimal."""
        return self.weights.sha256

    @property
    def is_resized(self) -> bool:
        """Whether the file's network has another input size. Loads it."""
        self.load()
        return self._is_resized

    def load(self) -> "Checkpoint":
        """Return the checkpoint, read at the first call.

        Raises CheckpointError for a file that cannot be used, and for an input size that patches do not fill.
        """
        if self._loaded is None:
            from retrieval.models import checkpoint

            loaded = checkpoint.load(self.weights.path)
            self._is_resized = self.image_size not in (None, loaded.config.image_size)
            self._loaded = loaded if self.image_size is None else loaded.resized(self.image_size)
        return self._loaded
