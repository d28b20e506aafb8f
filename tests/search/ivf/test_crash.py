"""Merging, retraining, compacting and optimising are killed at every point: answers stay right, nothing is lost."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from retrieval.search.ivf.search import IvfSearch
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.ivf.storage import IvfFile
from retrieval.search.vectors import HalfVectors, VectorFile

D = 64


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize(
    ("change", "before", "rows"),
    [("merge", 1100, 1250), ("retrain", 300, 1250), ("compact", 1250, 1250), ("optimise", 1250, 1250)],
)
def test_no_kill_spoils_an_answer(
    change: str,
    before: int,
    rows: int,
    tmp_path: Path,
    clustered: Callable[..., HalfVectors],
) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    file = VectorFile(folder / "vectors.f16", D)
    file.append(clustered(rows, D).astype(np.float32), 0)
    settings = IvfSettings(coded_from=600)
    IvfSearch(file, IvfFile(folder, D, settings), settings).rebuild(before)

    program = [sys.executable, str(Path(__file__).parents[2] / "search_kill_points.py")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # a fork takes no threads along
    words = [str(folder), str(before), change]
    done = subprocess.run([*program, *words], capture_output=True, text=True, env=environment)

    assert done.returncode == 0, done.stderr
    *faults, points = done.stdout.splitlines()
    assert faults == []
    assert int(points) >= 8
