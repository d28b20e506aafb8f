"""What `find` stands beside: perceptual hashes and the index's own vectors, each at its best threshold.

A rival gives every pair of files a likeness. It is judged at the threshold where its F1 is highest, which nobody
knows without the truth: its best case.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from trial import Score, Trial

from retrieval.search import exact
from retrieval.store import Store

Match = NDArray[np.float32]  # (n, n), symmetric; -inf: never a pair

NEIGHBOURS = 20
MAX_DISTANCE = 32  # of 64 bits: half of them differ between pictures that have nothing in common


@dataclass(frozen=True, slots=True, eq=False)
class Rival:
    """A likeness between files. `sign` turns it into what people set: a hash distance, or a cosine."""

    name: str
    files: list[str]
    match: Match
    sign: int = 1


def cosines(index: Path, trial: Trial) -> Iterator[Rival]:
    """Cosine of the stored vectors, over all pairs and over those among each other's nearest."""
    store = Store.open(index)
    vectors = store.vectors.read(store.catalogue.contents.vectors()).astype(np.float32)
    photos = store.catalogue.photos.of_rows(range(len(vectors)))
    store.close()
    row_of = {photo.relative: row for row, same in photos.items() for photo in same}
    files = [file for file in trial.family if file in row_of]
    own = vectors[[row_of[file] for file in files]]
    match = own @ own.T
    yield Rival("cosine, all pairs", files, match)
    _, nearest = exact.search(own, own, NEIGHBOURS + 1)  # one of them is the photo itself
    near = np.zeros(match.shape, dtype=bool)
    np.put_along_axis(near, nearest, values=True, axis=1)
    yield Rival(f"cosine, {NEIGHBOURS} nearest", files, np.where(near | near.T, match, -np.inf))


def hashes(python: str, trial: Trial, work: Path) -> Iterator[Rival]:
    """imagededup's hashes, run in its own environment; pairs are compared here, all of them."""
    written = work / "hashes.json"
    program = Path(__file__).with_name("imagededup_hashes.py")
    done = subprocess.run([python, str(program), str(trial.folder), str(written)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{python} cannot run imagededup: {done.stderr.strip().splitlines()[-1]}")
    answer = json.loads(written.read_text(encoding="utf-8"))
    for method, by_file in answer["hashes"].items():
        files = [file for file in trial.family if by_file.get(file)]
        yield Rival(f"imagededup {answer['version']} {method}", files, _minus_distances(files, by_file), sign=-1)


def _minus_distances(files: list[str], by_file: dict[str, str]) -> Match:
    """Minus the number of bits that differ: (n, n); -inf where more than half of them do."""
    codes = np.array([list(bytes.fromhex(by_file[file])) for file in files], dtype=np.uint8)
    signs = np.unpackbits(codes, axis=1).astype(np.float32) * 2 - 1
    distances = (signs.shape[1] - signs @ signs.T) / 2
    return np.where(distances <= MAX_DISTANCE, -distances, -np.inf).astype(np.float32)


def best(rival: Rival, trial: Trial) -> tuple[float, Score]:
    """The threshold of the highest F1, as people set it, and what the rival is worth there."""
    rows, columns = np.triu_indices(len(rival.files), 1)
    right, counted = _truth(rival.files, trial)
    match, right = rival.match[rows, columns], right[rows, columns]
    usable = np.flatnonzero(counted[rows, columns] & np.isfinite(match))
    order = usable[np.argsort(-match[usable], kind="stable")]
    hits = np.cumsum(right[order])
    last = np.flatnonzero(np.append(np.diff(match[order]) != 0, True))  # equal likeness: all of them or none
    total = len(trial.pairs())
    f1 = 2 * hits[last] / (last + 1 + total)
    place = last[np.argmax(f1)]
    found = int(hits[place])
    return rival.sign * float(match[order[place]]), Score(found, int(place) + 1 - found, total - found)


def held(rival: Rival, trial: Trial) -> float:
    """The share of true pairs that a rival gives any likeness: what it could propose."""
    right, _ = _truth(rival.files, trial)
    return float((np.triu(right, 1) & np.isfinite(rival.match)).sum() / max(1, len(trial.pairs())))


def _truth(files: list[str], trial: Trial) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pairs are of one family, and which count at all: (n, n) each."""
    names = sorted(set(trial.family.values()))
    numbers = {name: number for number, name in enumerate(names)}
    family = np.array([numbers[trial.family[file]] for file in files])
    counted = np.ones((len(names), len(names)), dtype=bool)
    for a, b in trial.known:
        if a in numbers and b in numbers:
            counted[numbers[a], numbers[b]] = counted[numbers[b], numbers[a]] = False
    return family[:, None] == family, counted[family[:, None], family]
