"""A pool of views with the teachers' answers on disk: asked once, learnt from many times; drawing views is `views`'.

A pool is a folder: `pool.json` says what it was made of, and each shard is a folder of NumPy arrays, written under
another name and renamed when it is whole. A process that is killed leaves whole shards, and the next goes on.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.durable import replacing
from retrieval.errors import CheckpointError

Array: TypeAlias = NDArray[Any]

FORMAT = 1
_MANIFEST = "pool.json"
_DTYPES = {  # of a shard's arrays, each with one row a view
    "pixels": np.uint8,  # (n, 3, size, size), RGB
    "features": np.float16,  # (n, width): the feature teacher's
    "logits": np.float16,  # (n, species)
    "hints": np.float16,  # (n, channels)
    "pictures": np.int32,  # (n,): the number of the picture that is seen, in the manifest's order
    "mixed": np.bool_,  # (n,): whether parts of other pictures are seen too
}


@dataclass(frozen=True, slots=True)
class Origin:
    """What a pool was made of: its views differ where this does."""

    teachers: tuple[str, str]  # sha256 of the feature teacher's file and of the species teacher's
    pictures: tuple[str, ...]  # their names
    size: int  # pixels of a view, height and width
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some views of a pool with their answers, in memory."""

    pixels: Array
    features: Array
    logits: Array
    hints: Array
    pictures: Array
    mixed: Array


class Pool:
    """A folder of shards. Shards that appear while it is open are seen after `refresh`."""

    def __init__(self, folder: Path, origin: Origin | None = None) -> None:
        """Open a pool, or begin the one of an `origin`; raises CheckpointError where it is another's or absent."""
        self.folder = folder
        found = _read(folder)
        if found is None and origin is None:
            raise CheckpointError(f"there is no pool of views in {folder}: make one first")
        if found is not None and origin is not None and found != origin:
            raise CheckpointError(f"{folder} is a pool of other pictures or teachers: give another folder")
        if found is None and origin is not None:
            _write(folder, origin)
        self.origin: Origin = found or origin  # type: ignore[assignment]
        self._shards: list[dict[str, Array]] = []
        self._begins = np.zeros(1, np.int64)
        self.refresh()

    def __len__(self) -> int:
        """Return how many views there are."""
        return int(self._begins[-1])

    def refresh(self) -> None:
        """Take in the shards that were added since."""
        paths = sorted(self.folder.glob("shard-??????"))
        for path in paths[len(self._shards) :]:
            self._shards.append({name: np.load(path / f"{name}.npy", mmap_mode="r") for name in _DTYPES})
        self._begins = np.cumsum([0, *(len(shard["mixed"]) for shard in self._shards)])

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return len(self._shards)

    def add(self, rows: Mapping[str, Array]) -> None:
        """Append a shard: an array for each field of `Rows`, one row a view. Raises OSError."""
        path = self.folder / f"shard-{self.shards:06}"
        partial = path.with_name(path.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for name, dtype in _DTYPES.items():
            np.save(partial / f"{name}.npy", np.asarray(rows[name], dtype=dtype))
        partial.rename(path)
        self.refresh()

    def rows(self, numbers: Sequence[int] | Array) -> Rows:
        """The views of these numbers, 0 to len - 1, in the order given."""
        shards = np.searchsorted(self._begins, numbers, side="right") - 1
        places = np.asarray(numbers) - self._begins[shards]
        pairs = list(zip(shards.tolist(), places.tolist(), strict=True))
        return Rows(**{name: np.stack([self._shards[s][name][p] for s, p in pairs]) for name in _DTYPES})

    def first(self, name: str) -> Array:
        """One field of the first shard's views: (n, ...)."""
        return np.asarray(self._shards[0][name])

    def whole(self, name: str) -> Array:
        """One field of all views: (n, ...)."""
        return np.concatenate([np.asarray(shard[name]) for shard in self._shards])


def _read(folder: Path) -> Origin | None:
    path = folder / _MANIFEST
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored.pop("format") != FORMAT:
            raise CheckpointError(f"{path} is of another format than {FORMAT}: make the pool again")
        first, second = stored.pop("teachers")
        return Origin(teachers=(first, second), pictures=tuple(stored.pop("pictures")), **stored)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is broken ({error}): make the pool again") from error


def _write(folder: Path, origin: Origin) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stored = {
        "format": FORMAT,
        "teachers": origin.teachers,
        "pictures": origin.pictures,
        "size": origin.size,
        "seed": origin.seed,
    }
    with replacing(folder / _MANIFEST) as partial:
        partial.write_text(json.dumps(stored, indent=1), encoding="utf-8")
