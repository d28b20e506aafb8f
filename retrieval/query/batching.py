"""How many images are answered together: few at first, so that answers come soon, then as many as pays off."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from PIL import Image as PillowImage

from retrieval.embed.prepare import Image

FIRST = 16
LARGEST = 1_024  # searching for more at once saves next to nothing
ANSWERED_WITHIN_S = 1.0  # photos that need the network take long: then fewer go together
GROWTH = 4
HITS_AT_ONCE = 200_000  # of all images together: about 100 MB
BYTES_AT_ONCE = 256 * 2**20  # of pictures that the caller holds in memory


class BatchSizer:
    """Cuts a stream of images into batches; `record_time` tells it how long the last one took."""

    def __init__(self, k: int) -> None:
        self._most = max(1, min(LARGEST, HITS_AT_ONCE // k))
        self.size = min(FIRST, self._most)

    def record_time(self, elapsed_s: float) -> None:
        """Take more next time after a batch that was answered soon, fewer after one that took long."""
        if elapsed_s * GROWTH <= ANSWERED_WITHIN_S:
            self.size = min(self._most, self.size * GROWTH)
        elif elapsed_s > ANSWERED_WITHIN_S:
            self.size = max(1, self.size // 2)

    def next_batch(self, images: Iterator[Image]) -> list[Image]:
        """Return the next images; none at the end."""
        taken: list[Image] = []
        held_bytes = 0
        for image in islice(images, self.size):
            taken.append(image)
            held_bytes += _size_bytes(image)
            if held_bytes >= BYTES_AT_ONCE:
                break
        return taken


def _size_bytes(image: Image) -> int:
    """How much memory an image takes until it is answered."""
    if isinstance(image, bytes | bytearray):
        return len(image)
    if isinstance(image, np.ndarray | memoryview):
        return image.nbytes
    return image.width * image.height * 3 if isinstance(image, PillowImage.Image) else 0
