"""Vectors as photos give them: many classes of unequal size and spread, and some that belong nowhere."""

from collections.abc import Callable

import numpy as np
import pytest

from retrieval.search.vectors import HalfVectors


@pytest.fixture(scope="session")
def clustered() -> Callable[..., HalfVectors]:
    """`clustered(n, d, seed)`: (n, d) half-precision unit vectors; one in twenty is an outlier."""
    return make_clustered


def make_clustered(n: int, d: int = 16, seed: int = 0) -> HalfVectors:
    rng = np.random.default_rng(seed)
    classes = max(3, n // 100)
    sizes = 1 / np.arange(1, classes + 1) ** 0.7
    members = rng.choice(classes, n, p=sizes / sizes.sum())
    spread = rng.lognormal(-0.3, 0.4, classes)[members, None]
    vectors = rng.standard_normal((classes, d))[members] + spread * rng.standard_normal((n, d))
    lost = rng.random(n) < 0.05
    vectors[lost] = rng.standard_normal((lost.sum(), d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f2")
