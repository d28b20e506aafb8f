import hashlib

import faiss
import numpy as np
import pytest

from retrieval.errors import IndexFormatError, Remedy
from retrieval.search.ivf import file, training
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.targets import Targets


@pytest.fixture(params=[10_000, 1_000], ids=["half", "coded"])
def index(request, clustered):
    vectors = clustered(2_000, 64)
    made = training.train(vectors, 2_000, Targets(), IvfSettings(coded_from=request.param), seed=1)
    made.add(vectors.astype(np.float32))
    return made


def answers(index, clustered):
    training.lists_of(index).nprobe = training.lists_of(index).nlist
    return index.search(clustered(5, 64, seed=9).astype(np.float32), 3)[1].tolist()


@pytest.mark.parametrize("mapped", [True, False])
def test_what_is_written_finds_the_same(index, clustered, tmp_path, mapped):
    path = tmp_path / "ivf.faiss"
    written = file.write(index, path)
    assert written.sha256 == file.hash_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    found, checked = file.read(path, 64, mapped=mapped, checksums=True)
    assert checked is not None and checked.digest == written.checksums
    assert answers(found, clustered) == answers(index, clustered)


def test_a_file_without_its_end_is_refused(index, tmp_path):
    path = tmp_path / "ivf.faiss"
    file.write(index, path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(IndexFormatError) as caught:
        file.read(path, 64, mapped=True, checksums=True)
    assert caught.value.remedy is Remedy.REPAIR


@pytest.mark.parametrize("harm", [b"", b"no index at all" * 99, bytes(5000), b"IwSq" + b"\xff" * 5000])
@pytest.mark.parametrize("mapped", [True, False])
def test_what_is_no_index_is_refused(tmp_path, harm, mapped):
    (tmp_path / "ivf.faiss").write_bytes(harm)
    with pytest.raises(IndexFormatError, match=r"ivf\.faiss is broken, or no FAISS index"):
        file.read(tmp_path / "ivf.faiss", 64, mapped=mapped)
    with pytest.raises(FileNotFoundError):
        file.read(tmp_path / "none.faiss", 64, mapped=mapped)


@pytest.mark.parametrize(
    ("description", "metric", "reason"),
    [
        ("Flat", faiss.METRIC_INNER_PRODUCT, "of another kind"),
        ("IVF4,Flat", faiss.METRIC_INNER_PRODUCT, "of another kind"),
        ("IVF4,SQ8", faiss.METRIC_INNER_PRODUCT, "compares vectors in another way"),
        ("IVF4,SQfp16", faiss.METRIC_INNER_PRODUCT, "compares vectors in another way"),  # by residual
        ("IVF4,SQfp16", faiss.METRIC_L2, "compares vectors in another way"),
        ("PCA32,IVF4,PQ16x4fs", faiss.METRIC_INNER_PRODUCT, "compares vectors in another way"),  # centred
    ],
)
def test_an_index_that_was_not_made_here_is_refused(tmp_path, clustered, description, metric, reason):
    other = faiss.index_factory(64, description, metric)
    other.train(clustered(500, 64).astype(np.float32))
    faiss.write_index(other, str(tmp_path / "ivf.faiss"))
    with pytest.raises(IndexFormatError, match=reason):
        file.read(tmp_path / "ivf.faiss", 64, mapped=True)


def test_an_index_of_another_dimension_or_of_too_few_vectors_is_refused(index, tmp_path):
    path = tmp_path / "ivf.faiss"
    file.write(index, path)
    with pytest.raises(IndexFormatError, match="64 numbers instead of 32"):
        file.read(path, 32, mapped=False)
    index.ntotal += 1
    faiss.write_index(index, str(path))
    with pytest.raises(IndexFormatError, match="has lost some of its vectors"):
        file.read(path, 64, mapped=False)
