"""One short vector for all local features of a picture: near for two versions of a picture, grey, cropped or turned.

It sees luminance only and no meaning, so that it proposes what a network trained on species does not, and the other
way round. Aggregated descriptors (VLAD, Jegou 2010) with each descriptor's mirror image counted too, so that a
mirrored picture has the same sketch; projected at random to fewer dimensions (Johnson and Lindenstrauss).
"""

from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from retrieval.dedupe.alike.features import MIRROR, WIDTH, Features, rooted

RULES = 2  # of features, sketches and comparisons: what was found by others is found anew
DIMENSION = 512
_SEED = 0
_VOCABULARY = "vocabulary.npy"

Sketch = NDArray[np.int8]  # (512,): a unit vector times 127 over its largest value


def sketch(features: Features) -> Sketch:
    """The sketch of one picture; all zeros where it has no points."""
    words = _words()
    descriptors = rooted(np.concatenate([features.descriptors, features.descriptors[:, MIRROR]]))
    nearest = (descriptors @ words.T - 0.5 * (words**2).sum(axis=1)).argmax(axis=1)
    residuals = descriptors - words[nearest]
    residuals /= np.maximum(np.linalg.norm(residuals, axis=1, keepdims=True), 1e-6)
    sums = (nearest[None, :] == np.arange(len(words))[:, None]).astype(np.float32) @ residuals
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    projected = sums.reshape(-1) @ _projection(len(words))
    rounded: Sketch = np.round(projected * (127 / max(float(np.abs(projected).max()), 1e-6))).astype(np.int8)
    return rounded


def unit(sketches: NDArray[np.int8]) -> NDArray[np.float16]:
    """Sketches (n, 512) as unit vectors; one without points stays zero, and is like nothing."""
    values = sketches.astype(np.float32)
    half: NDArray[np.float16] = (values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)).astype(
        np.float16
    )
    return half


@cache
def _words() -> NDArray[np.float32]:
    """Typical descriptors (32, 128), rooted: the centres of k-means over those of 140 photos of all kinds."""
    with resources.files("retrieval.dedupe.alike").joinpath(_VOCABULARY).open("rb") as file:
        words: NDArray[np.float32] = np.load(file).astype(np.float32)
    return words


@cache
def _projection(words: int) -> NDArray[np.float32]:
    # This generator, unlike newer ones, promises the same numbers in every version of NumPy.
    return np.random.RandomState(_SEED).standard_normal((words * WIDTH, DIMENSION)).astype(np.float32)
