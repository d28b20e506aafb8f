"""Networks converted for OpenVINO, kept between runs: a later start loads neither torch nor the checkpoint.

A network has one folder in the cache, named after its weights, this layout, OpenVINO's version and, where that is not
the checkpoint's own, its input size: `network.xml` and `network.bin` are the graph, `facts.json` the rest, `compiled-*`
what OpenVINO keeps for a faster start. All of it can be made again.
"""

import contextlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.durable import sync_file, sync_folder
from retrieval.engines.openvino.without_telemetry import openvino
from retrieval.models.digest import cache_folder
from retrieval.models.lazy_checkpoint import LazyCheckpoint
from retrieval.models.transform import InputTransform

if TYPE_CHECKING:  # comes with torch
    from retrieval.models.checkpoint import Checkpoint

FORMAT = 2  # of the folder and of the graph: to be raised with every change of either
KEPT = 4  # networks; the flagship takes 350 MB
_GRAPH, _FACTS = ("network.xml", "network.bin"), "facts.json"


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """A network in OpenVINO's form."""

    model: Any  # the path of the graph, or the `openvino.Model` itself
    transform: InputTransform
    folder: Path | None = None  # where what OpenVINO makes of it is kept; None where nothing can be


def convert(checkpoint: "Checkpoint") -> Converted:
    """Convert a network, and keep it in memory alone."""
    from retrieval.engines.openvino.graph import graph  # comes with torch, which a cached network does without

    return Converted(graph(checkpoint), checkpoint.transform)


def converted(checkpoint: LazyCheckpoint) -> Converted:
    """Return a network from the cache, else from its checkpoint, and keep it.

    Where the cache cannot be written, the network is converted at every start. Raises CheckpointError.
    """
    sha256, size = checkpoint.sha256, checkpoint.image_size
    for folder in {folder_of(sha256, size): None, folder_of(sha256): None}:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # what broken files raise
            found = _read(folder, sha256, size)
            folder.touch()  # keeps it from being the first to go
            return found
    made = convert(checkpoint.load())
    folder = folder_of(sha256, size if checkpoint.is_resized else None)
    with contextlib.suppress(OSError, RuntimeError):  # no room, or no right to write: OpenVINO has no finer error
        _keep(folder, made, sha256)
        made = _read(folder, sha256, size)  # the file is mapped, where the graph in memory holds all weights
        forget_others(folder)
    return made


def folder_of(sha256: str, image_size: tuple[int, int] | None = None) -> Path:
    """Return where the cache keeps the network of a file with this SHA-256, at its own input size or another."""
    size = f"-{image_size[0]}x{image_size[1]}" if image_size else ""
    return cache_folder() / "openvino" / f"{sha256}-{FORMAT}-{openvino.__version__.split('-')[0]}{size}"


def _read(folder: Path, sha256: str, image_size: tuple[int, int] | None) -> Converted:
    facts = json.loads((folder / _FACTS).read_bytes())
    if facts["weights_sha256"] != sha256 or facts["stamps"] != _stamps(folder):
        raise ValueError(f"{folder} is not as it was written")
    found = from_facts(facts, folder / _GRAPH[0], folder)
    if image_size not in (None, (found.transform.height, found.transform.width)):
        raise ValueError(f"{folder} has the network for another input size")
    return found


def facts_of(network: Converted, weights_sha256: str) -> dict[str, Any]:
    """Return what JSON can hold of a network."""
    return {"weights_sha256": weights_sha256, "transform": asdict(network.transform)}


def from_facts(facts: dict[str, Any], model: Path, folder: Path | None) -> Converted:
    """Return a network from what `facts_of` gave; raises KeyError, TypeError or ValueError for anything else."""
    height, width, mean, std = (facts["transform"][name] for name in ("height", "width", "mean", "std"))
    return Converted(model, InputTransform(height, width, tuple(mean), tuple(std)), folder)


def _stamps(folder: Path) -> dict[str, list[int]]:
    """Size and time of the graph's files: they are large, and a truncated one would give wrong answers silently."""
    facts = {name: (folder / name).stat() for name in _GRAPH}
    return {name: [fact.st_size, fact.st_mtime_ns] for name, fact in facts.items()}


def _keep(folder: Path, network: Converted, sha256: str) -> None:
    """Write a network's folder, all of it or nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-", ignore_cleanup_errors=True) as made:
        partial = Path(made) / "network"
        partial.mkdir()
        _write(partial, network, sha256)
        shutil.rmtree(folder, ignore_errors=True)  # what could not be read
        partial.rename(folder)  # fails if another process was faster: its folder is as good
        sync_folder(folder.parent)


def _write(folder: Path, network: Converted, sha256: str) -> None:
    # Weights in half precision would be half the size, and other weights than those of the checkpoint.
    openvino.save_model(network.model, folder / _GRAPH[0], compress_to_fp16=False)
    for name in _GRAPH:
        sync_file(folder / name)
    facts = facts_of(network, sha256) | {"stamps": _stamps(folder)}
    (folder / _FACTS).write_text(json.dumps(facts, indent=1), encoding="ascii")
    sync_file(folder / _FACTS)
    sync_folder(folder)


def forget_others(folder: Path) -> None:
    """Delete the same network as made by other versions, and those that were not used for longest."""
    others = [other for other in folder.parent.iterdir() if other != folder and not other.name.startswith("making-")]
    others.sort(key=lambda other: other.stat().st_mtime, reverse=True)
    same = [other for other in others if _network(other) == _network(folder)]
    for other in {*same, *others[KEPT - 1 :]}:
        shutil.rmtree(other, ignore_errors=True)  # one that is in use stays on Windows


def _network(folder: Path) -> tuple[str, ...]:
    """What a folder's name says apart from versions: weights, and the input size where it is another."""
    sha256, *versions = folder.name.split("-")
    return (sha256, *versions[2:])
