"""How vectors are stored in the lists of an IVF index, and how such an index is trained.

Small sets store the half-precision numbers of the vector file, memory-mapped: scores are exact. Large ones store
product-quantised codes of 4 bits for every two numbers, compared in processor registers (FAISS' fast scan, after
arXiv 1812.09162), a twelfth of the size and many times faster; what they bring to the top is scored again, exactly.

Before quantising, vectors are rotated onto their principal axes and those that carry nothing are dropped: half of the
work for the same shortlist, or less. Axes are those of the second moment, without centring, for inner products must
keep their order. A random rotation after it spreads what is left evenly over the codes.
"""

import math
from collections.abc import Iterator
from typing import TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

from retrieval.records import Rows, Vectors
from retrieval.search.ivf.gpu import on_gpu_or_cpu
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors

ENERGY = 0.99  # share of the squared length that the coded axes must carry
AXES_STEP = 32  # axes are coded in multiples of this
LISTS_PER_ROOT = 4  # lists = 4 sqrt(n), the lower end of what FAISS' guidelines advise
ROWS_PER_LIST = 39  # fewer training vectors a list make poor lists: FAISS' own limit
TRAINING_ROWS_PER_LIST = 40  # 39, 64 and 128 led to the same nprobe within a quarter
MOST_TRAINING_ROWS = 400_000  # 10 million vectors have 12,648 lists; k-means over more takes hours
ITERATIONS = 6  # of k-means: ten made searches faster by less than a tenth, and building slower by a fifth
ID_BYTES = 8

Numbers = TypeVar("Numbers", HalfVectors, Vectors)
Half = faiss.ScalarQuantizer.QT_fp16


def lists_for(n: int) -> int:
    """Return how many lists n vectors are divided into: 4 sqrt(n), or fewer for 39 vectors a list."""
    return max(1, min(LISTS_PER_ROOT * math.isqrt(n), n // ROWS_PER_LIST))


def train(vectors: HalfVectors, n: int, targets: Targets, settings: IvfSettings, seed: int) -> faiss.Index:
    """Train an empty index for n vectors like these (m, d), m being `training_rows(n)`."""
    training = finite(vectors)  # FAISS ends the process if it has to train on what is no number
    lists, d = lists_for(n), training.shape[1]
    if n < settings.coded_from or d < 2 * AXES_STEP:
        return _half(centroids(training, lists, seed))
    axes, energies = _principal_axes(training, settings)
    count = _axes_to_code(energies, n, lists, targets)
    if not count:
        return _half(centroids(training, lists, seed))
    return _coded(training, axes[:, :count], lists, settings, seed)


def training_rows(n: int) -> int:
    """Return how many of n vectors the lists are trained on."""
    return min(n, TRAINING_ROWS_PER_LIST * lists_for(n), MOST_TRAINING_ROWS)


def memory_bytes(index: faiss.Index) -> int:
    """Return the bytes that a trained index holds in memory: codes, ids and centroids, without what is mapped."""
    ivf = lists_of(index)
    own = 4 * ivf.nlist * ivf.d
    if is_coded(index):
        own += _coded_bytes(int(index.ntotal), ivf.d) + 4 * index.d * ivf.d
    return int(own)


def lists_of(index: faiss.Index) -> faiss.IndexIVF:
    """Return the inverted lists behind the rotation, if there is one."""
    return faiss.downcast_index(index.index) if is_coded(index) else index


def is_coded(index: faiss.Index) -> bool:
    """Tell whether vectors are stored as codes; if not, as the half-precision numbers of the vector file."""
    return isinstance(index, faiss.IndexPreTransform)


def list_bytes(index: faiss.Index) -> int:
    """Return the bytes that half-precision vectors and their ids take."""
    return int(index.ntotal) * (int(lists_of(index).code_size) + ID_BYTES)


def describe(index: faiss.Index) -> str:
    """Say how vectors are stored."""
    if not is_coded(index):
        return "half precision, mapped"
    ivf = lists_of(index)
    return f"{ivf.d} of {index.d} axes in {4 * ivf.pq.M} bits, scored again in half precision"


def finite(vectors: Numbers) -> Numbers:
    """Replace what is no finite number by 0; where there is nothing to replace, return the vectors themselves."""
    with np.errstate(invalid="ignore"):
        if np.isfinite(vectors.sum(dtype=np.float32)):
            return vectors
    return np.nan_to_num(vectors, posinf=0, neginf=0)


def _half(centres: Vectors) -> faiss.IndexIVFScalarQuantizer:
    lists, d = centres.shape
    index = faiss.IndexIVFScalarQuantizer(_quantizer(centres), d, lists, Half, faiss.METRIC_INNER_PRODUCT, False)
    index.train(centres)  # the lists are there: this only sets up the half-precision codes
    return index


def _coded(
    training: HalfVectors, axes: NDArray[np.float64], lists: int, settings: IvfSettings, seed: int
) -> faiss.IndexPreTransform:
    d = axes.shape[1]
    rotation = _rotation(axes, seed)
    turned = np.concatenate([rotation.apply(block) for _, block in blocks(training, settings)])
    centres = centroids(turned.astype(np.float16), lists, seed)
    ivf = faiss.IndexIVFPQFastScan(_quantizer(centres), d, lists, d // 2, 4, faiss.METRIC_INNER_PRODUCT)
    ivf.by_residual = True  # what a list's centre says already need not be coded: twice the shortlist without
    ivf.pq.cp.seed = seed
    ivf.train(turned)  # the lists are there: this makes the codes
    return faiss.IndexPreTransform(rotation, ivf)


def _quantizer(centres: Vectors) -> faiss.IndexFlatIP:
    quantizer = faiss.IndexFlatIP(centres.shape[1])
    quantizer.add(centres)
    return quantizer


def _principal_axes(training: HalfVectors, settings: IvfSettings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the axes (d, d) as columns, and the share of the squared length on each: largest first."""
    d = training.shape[1]
    moment = np.zeros((d, d))
    for _, block in blocks(training, settings):
        moment += block.T @ block
    energies, axes = np.linalg.eigh(moment)
    energies = np.maximum(energies[::-1], 0)
    return axes[:, ::-1], energies / max(energies.sum(), np.finfo(float).tiny)


def _axes_to_code(energies: NDArray[np.float64], n: int, lists: int, targets: Targets) -> int:
    """Return how many axes carry enough and fit into memory; 0 where not even the fewest fit."""
    enough = int(np.searchsorted(np.cumsum(energies), ENERGY)) + 1
    count = min(math.ceil(enough / AXES_STEP) * AXES_STEP, len(energies) // AXES_STEP * AXES_STEP)
    while count and _coded_bytes(n, count) + 4 * lists * count > targets.memory_limit:
        count -= AXES_STEP
    return count


def _coded_bytes(n: int, count: int) -> int:
    """Return the bytes of n codes with their ids: 4 bits for every two numbers, 8 bytes an id."""
    return n * (count // 4 + ID_BYTES)


def _rotation(axes: NDArray[np.float64], seed: int) -> faiss.LinearTransform:
    """Rotate onto the axes (d, count), then at random: otherwise the first codes would have to carry everything."""
    d, count = axes.shape
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((count, count)))[0]
    transform = faiss.LinearTransform(d, count, False)
    faiss.copy_array_to_vector((turn @ axes.T).astype(np.float32).ravel(), transform.A)
    transform.is_trained = True
    return transform


def centroids(training: HalfVectors, lists: int, seed: int) -> Vectors:
    """Run spherical k-means, as inner products need: (lists, d), unit length. On the GPU where there is one."""
    flat = faiss.IndexFlatIP(training.shape[1])
    return on_gpu_or_cpu(flat, lambda nearest: _k_means(training, lists, seed, nearest))


def _k_means(training: HalfVectors, lists: int, seed: int, nearest: faiss.Index) -> Vectors:
    d = training.shape[1]
    clustering = faiss.Clustering(d, lists)
    clustering.spherical = True
    clustering.niter = ITERATIONS
    clustering.seed = seed
    clustering.min_points_per_centroid = 1  # keeps FAISS from warning on stderr about few vectors
    clustering.max_points_per_centroid = len(training)  # sampled already
    # Trained from half precision, decoded block by block: half the memory of single precision.
    codec = faiss.IndexScalarQuantizer(d, Half, faiss.METRIC_INNER_PRODUCT)
    clustering.train_encoded(np.ascontiguousarray(training).view(np.uint8), codec, nearest)
    centres: Vectors = faiss.vector_to_array(clustering.centroids).reshape(lists, d)
    return centres


def blocks(vectors: HalfVectors, settings: IvfSettings) -> Iterator[tuple[int, Vectors]]:
    """Yield the vectors in single precision, some at a time, (m, d), with the place of the first."""
    rows = max(1, settings.block_floats // vectors.shape[1])
    for start in range(0, len(vectors), rows):
        yield start, vectors[start : start + rows].astype(np.float32)


def nearest_lists(vectors: HalfVectors, quantizer: faiss.Index, settings: IvfSettings) -> Rows:
    """Return the list of each vector, (n,); the first for damaged ones, which have none and are never found."""
    numbers = np.zeros(len(vectors), dtype=np.int64)
    for start, block in blocks(vectors, settings):
        numbers[start : start + len(block)] = quantizer.search(block, 1)[1][:, 0]
    return np.maximum(numbers, 0, out=numbers)
