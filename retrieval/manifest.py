"""index.json: what an index was made with, and where its archive folders are mounted. Can be edited by hand."""

import json
import os
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retrieval.durable import replacing
from retrieval.errors import IndexFormatError, IndexNotFoundError, Remedy

MANIFEST_NAME = "index.json"
FORMAT = 1
# How pixels reach the network. Vectors of photos prepared in two ways must not meet in one index.
TRANSFORM = "upright; JPEG at reduced scale, at least twice the input; bicubic; no crop"


@dataclass(frozen=True, slots=True)
class Model:
    """The network of an index: enough to find it again, and to refuse another."""

    name: str
    source: str  # a known name, hf://owner/repository, or a path
    sha256: str  # of the checkpoint file
    height: int  # input pixels
    width: int
    dimension: int
    classes: int
    precision: str  # fp32, bf16, fp16 or int8
    label_kind: str = "species"  # "general" labels identify no species


@dataclass(frozen=True, slots=True)
class Calibration:
    """On what the network of an index was quantised, and how near it then was to fp32 on other photos."""

    sha256: str  # of int8.json, which names the other files of that network
    photos: int
    held_back: int
    k: int = 0
    overlap: float = 0.0  # share of the k nearest held back photos that are the same
    mean_cosine: float = 0.0
    lowest_cosine: float = 0.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """The settings of one index. Never changed in place: `write` replaces the file."""

    model: Model
    roots: dict[str, Path] = field(default_factory=dict)  # name -> absolute path
    mounts: dict[str, tuple[str, ...]] = field(default_factory=dict)  # root's name -> folders in it with a disk on them
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    calibration: Calibration | None = None  # of an index in int8, from its first photos on

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read index.json; raise IndexNotFoundError without one, IndexFormatError for an invalid one."""
        path = folder / MANIFEST_NAME
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise IndexNotFoundError(f"there is no index in {folder}", Remedy.MAKE_INDEX) from error
        except OSError as error:
            raise IndexNotFoundError(f"{path} cannot be read ({error.strerror})", Remedy.PERMISSIONS) from error
        except ValueError as error:
            raise IndexFormatError(f"{path} is not valid JSON ({error})", Remedy.RESTORE) from error
        return cls._parse(document, path)

    @classmethod
    def _parse(cls, document: Any, path: Path) -> "Manifest":
        version = document.get("format") if isinstance(document, dict) else None
        if not isinstance(version, int):
            raise IndexFormatError(f"{path} is not from this program", Remedy.OTHER_INDEX_FOLDER)
        if version > FORMAT:
            raise IndexFormatError(f"{path} has format {version}, this version reads up to {FORMAT}", Remedy.UPGRADE)
        try:
            model = Model(**document["model"])
            roots = {str(name): Path(root) for name, root in document["roots"].items()}
            mounts = {str(root): tuple(map(str, found)) for root, found in document.get("mounts", {}).items()}
            created_at, transform = str(document["created_at"]), document["transform"]
            calibration = Calibration(**document["calibration"]) if "calibration" in document else None
            _check_types(model)
        except (KeyError, TypeError, AttributeError) as error:
            raise IndexFormatError(f"{path} is incomplete ({error})", Remedy.RESTORE) from error
        if transform != TRANSFORM:
            raise IndexFormatError(f"{path} was made with photos prepared in another way", Remedy.UPGRADE_OR_NEW_INDEX)
        return cls(model, roots, mounts, created_at, calibration)

    def write(self, folder: Path) -> None:
        """Write index.json so that a crash leaves the old or the new one."""
        document = {
            "format": FORMAT,
            "model": asdict(self.model),
            "transform": TRANSFORM,
            "roots": {name: str(root) for name, root in self.roots.items()},
            "created_at": self.created_at,
        }
        if self.mounts:
            document["mounts"] = self.mounts
        if self.calibration:
            document["calibration"] = asdict(self.calibration)
        with replacing(folder / MANIFEST_NAME) as partial:
            # ASCII only: names that are no UTF-8 travel as surrogate escapes.
            partial.write_text(json.dumps(document, indent=2) + "\n", encoding="ascii")

    def with_root(self, path: Path) -> "Manifest":
        """Add an archive folder under its own name, numbered where that is taken."""
        base = (path.name or path.anchor).encode("utf-8", "replace").decode()
        names = (base if number == 1 else f"{base}-{number}" for number in range(1, len(self.roots) + 2))
        name = next(name for name in names if name not in self.roots)
        return replace(self, roots={**self.roots, name: path})

    def relocated(self, name: str, path: Path) -> "Manifest":
        """Set where an archive folder is mounted now; raise IndexFormatError for an unknown name."""
        if name not in self.roots:
            raise IndexFormatError(f"this index has no root {name!r}; its roots are: {', '.join(self.roots) or 'none'}")
        return replace(self, roots={**self.roots, name: path})

    def locate(self, path: Path) -> tuple[str, str] | None:
        """Return (root name, relative path) of an absolute path: in the innermost root that holds it, if any."""
        holding = [(name, root) for name, root in self.roots.items() if path.is_relative_to(root)]
        if not holding:
            return None
        name, root = max(holding, key=lambda item: len(item[1].parts))
        return name, "" if path == root else path.relative_to(root).as_posix()

    def path_of(self, root: str, relative: str) -> Path:
        """Return the absolute path of a catalogued photo."""
        return self.roots[root] / relative

    def mounts_around(self, root: str, relative: str) -> list[Path]:
        """Return the folders inside a root that a disk was mounted on, and that hold a path."""
        mounts = self.mounts.get(root, ())
        return [self.path_of(root, one) for one in mounts if relative == one or relative.startswith(f"{one}/")]

    def nested_roots(self, path: Path) -> dict[str, Path]:
        """Return the roots strictly inside a folder."""
        return {name: root for name, root in self.roots.items() if root != path and root.is_relative_to(path)}


def _check_types(model: Model) -> None:
    numbers = (model.height, model.width, model.dimension, model.classes)
    texts = (model.name, model.source, model.sha256, model.precision, model.label_kind)
    if not all(type(number) is int and number >= 0 for number in numbers) or model.dimension < 1:
        raise TypeError("model sizes are not whole numbers")
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("model names are not text")


def has_manifest(folder: Path) -> bool:
    """Tell whether a folder is, or claims to be, an index."""
    return os.path.lexists(folder / MANIFEST_NAME)
