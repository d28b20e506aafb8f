"""Unit vectors in any number from a seed, in half precision, with the cluster or species that each is of.

Two distributions, because an easy one flatters every index: `Hard` is made up of clusters of very different sizes that
overlap in many dimensions; `Real` grows from embeddings of photos. Vectors are drawn in blocks that depend on the seed
and their own number alone: a million take no more memory than a block, and the first rows of a larger file are those of
a smaller one. Queries, and rows that come later, are new draws.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.archive.suffixes import PHOTO_SUFFIXES
from retrieval.embed.embedder import Embedder
from retrieval.errors import PhotoError
from retrieval.records import Vectors

Labels = NDArray[np.int32]  # (n,), numbers of clusters or species
Generator = np.random.Generator

BLOCK = 16_384  # rows drawn together: 50 MB in single precision
ROWS, QUERIES, LATER = 1, 2, 3  # what is drawn: each has a stream of random numbers of its own


class Distribution(Protocol):
    """Where vectors come from. `name` tells files of different distributions apart."""

    name: str
    dimension: int

    def labels(self, number: int, draw: Generator) -> Labels:
        """Clusters for some vectors, each as often as its size has it."""

    def points(self, labels: Labels, draw: Generator) -> Vectors:
        """A vector of unit length out of each of these clusters."""


class Hard:
    """Gaussian clusters, their sizes by Zipf's law, in a space whose directions matter less and less.

    Centres and the noise around them, 0.8 times as wide, are drawn in 256 dimensions whose standard deviation falls as
    1 / sqrt(i). An orthonormal map brings them to `dimension`, where each number gets noise of 0.01.
    """

    INNER = 256
    NOISE = 0.8  # of the centres' scale
    OUTER_NOISE = 0.01
    ZIPF = 1.3

    def __init__(self, seed: int, *, dimension: int = 768, centres: int = 2000) -> None:
        draw = np.random.default_rng([seed, 0])
        self.name = f"hard-seed{seed}"
        self.dimension = dimension
        self._spread = (1 / np.sqrt(np.arange(1, self.INNER + 1))).astype(np.float32)
        self._centres = draw.standard_normal((centres, self.INNER), dtype=np.float32) * self._spread
        self._map = np.linalg.qr(draw.standard_normal((dimension, self.INNER)))[0].T.astype(np.float32)
        sizes = 1 / np.arange(1, centres + 1) ** self.ZIPF
        self._shares = sizes / sizes.sum()

    def labels(self, number: int, draw: Generator) -> Labels:
        return draw.choice(len(self._shares), number, p=self._shares).astype(np.int32)

    def points(self, labels: Labels, draw: Generator) -> Vectors:
        around = draw.standard_normal((len(labels), self.INNER), dtype=np.float32) * (self.NOISE * self._spread)
        vectors = (self._centres[labels] + around) @ self._map
        vectors += self.OUTER_NOISE * draw.standard_normal(vectors.shape, dtype=np.float32)
        return _unit(vectors)


class Real:
    """New photos out of the embeddings of real ones: between two of one species, then moved as other photos differ.

    Where a species has one photo only, as where the folder says nothing of species, its nearest photos take the place
    of the others. The jitter is half the difference of two photos of any one species: directions in which photos of one
    species do differ. A little noise makes sure that no two vectors are the same.
    """

    NEAREST = 10
    TOWARDS = 0.5  # at most, on the way from a photo to another of its species
    JITTER = 0.5
    NOISE = 0.003

    def __init__(self, seed: int, vectors: Vectors, species: Labels) -> None:
        digest = hashlib.sha256(vectors.tobytes() + species.tobytes()).hexdigest()
        self.name = f"real-{digest[:12]}-seed{seed}"
        self.dimension = vectors.shape[1]
        self._vectors = vectors
        self._species = species
        self._members = [np.flatnonzero(species == number) for number in range(int(species.max()) + 1)]
        self._mates = [self._mates_of(photo) for photo in range(len(vectors))]

    def labels(self, number: int, draw: Generator) -> Labels:
        return self._species[draw.integers(0, len(self._vectors), number)]

    def points(self, labels: Labels, draw: Generator) -> Vectors:
        photos = np.array([draw.choice(self._members[label]) for label in labels.tolist()], dtype=np.int64)
        towards = draw.uniform(0, self.TOWARDS, (len(labels), 1)).astype(np.float32)
        vectors = self._vectors[photos] + towards * self._difference(photos, draw)
        others = draw.integers(0, len(self._vectors), len(labels))
        vectors += self.JITTER * self._difference(others, draw)
        vectors += self.NOISE * draw.standard_normal(vectors.shape, dtype=np.float32)
        return _unit(vectors)

    def _difference(self, photos: NDArray[np.int64], draw: Generator) -> Vectors:
        mates = np.array([draw.choice(self._mates[photo]) for photo in photos.tolist()], dtype=np.int64)
        return self._vectors[mates] - self._vectors[photos]

    def _mates_of(self, photo: int) -> NDArray[np.int64]:
        others = self._members[self._species[photo]]
        others = others[others != photo]
        if len(others):
            return others
        return np.argsort(-(self._vectors @ self._vectors[photo]), kind="stable")[1 : self.NEAREST + 1]


@dataclass(frozen=True, slots=True, eq=False)
class Generated:
    """A file of vectors, and where more of their kind come from."""

    path: Path  # n x d half-precision numbers, row after row
    distribution: Distribution
    rows: int
    seed: int
    labels: Labels = field(repr=False)  # (n,)

    @property
    def dimension(self) -> int:
        return self.distribution.dimension

    @property
    def vectors(self) -> NDArray[np.float16]:
        """All of them, mapped: (n, d)."""
        return np.memmap(self.path, dtype="<f2", mode="r", shape=(self.rows, self.dimension))

    def queries(self, number: int) -> tuple[Vectors, Labels]:
        """New draws of the same distribution, (number, d), and what they are of."""
        draw = np.random.default_rng([self.seed, QUERIES])
        labels = self.distribution.labels(number, draw)
        return self.distribution.points(labels, draw), labels

    def queries_of(self, clusters: Sequence[int] | Labels, number: int) -> Vectors:
        """New draws out of some clusters, each as often as the file's own rows are of it: (number, d)."""
        draw = np.random.default_rng([self.seed, QUERIES, 1])
        rows = np.flatnonzero(np.isin(self.labels, clusters))
        return self.distribution.points(self.labels[draw.choice(rows, number)], draw)

    def later(self) -> Iterator[NDArray[np.float32]]:
        """One vector after the other that is not in the file yet, each (d,), without end."""
        for block in count():
            draw = np.random.default_rng([self.seed, LATER, block])
            yield from self.distribution.points(self.distribution.labels(BLOCK, draw), draw)


def generate(distribution: Distribution, rows: int, seed: int, folder: Path) -> Generated:
    """Write `rows` vectors into `folder`, unless they lie there from an earlier run."""
    path = folder / f"{distribution.name}-{rows}.f16"
    beside = path.with_suffix(".labels.npy")
    if not (path.exists() and beside.exists()):
        labels = [np.empty(0, np.int32)]
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            for start in range(0, rows, BLOCK):
                draw = np.random.default_rng([seed, ROWS, start])
                block = distribution.labels(BLOCK, draw)
                wanted = min(BLOCK, rows - start)
                file.write(distribution.points(block, draw)[:wanted].astype("<f2").data)
                labels.append(block[:wanted])
        np.save(beside, np.concatenate(labels))
        partial.replace(path)
    return Generated(path, distribution, rows, seed, np.load(beside))


def embedded(folder: Path, model: str, cache: Path) -> tuple[Vectors, Labels]:
    """The vectors of all photos below a folder by a model, and their species: the folders they lie in.

    Where all lie in one folder, each photo is a species of its own. What was embedded once is kept in `cache`.
    """
    photos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    listed = "\n".join([str(Path(model).resolve()), *(f"{path} {path.stat().st_size}" for path in photos)])
    kept = cache / f"embedded-{hashlib.sha256(listed.encode(errors='surrogateescape')).hexdigest()[:12]}.npy"
    if not kept.exists():
        results = Embedder(model).attempt(photos, top=0)
        vectors = [None if isinstance(one, PhotoError) else one.vector for one in results]
        lost = np.full_like(next((one for one in vectors if one is not None), np.zeros(1)), np.nan)
        np.save(kept, np.array([lost if one is None else one for one in vectors], dtype=np.float32))
    every = np.load(kept)
    good = np.isfinite(every).all(axis=1) if every.ndim == 2 else np.zeros(0, dtype=bool)
    if good.sum() < 2:
        raise SystemExit(f"{folder} has {good.sum()} readable photos: two or more are needed to draw others from")
    parents = [path.parent for path, fine in zip(photos, good, strict=True) if fine]
    names = {name: number for number, name in enumerate(sorted(set(parents)))}
    alone = len(names) == 1
    species = [number if alone else names[parent] for number, parent in enumerate(parents)]
    return every[good], np.array(species, dtype=np.int32)


def _unit(vectors: Vectors) -> Vectors:
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
