"""Networks converted for OpenVINO, kept between runs: a later start loads neither torch nor the checkpoint.

A network has one folder in the cache, named after its weights, this layout and OpenVINO's version: `network.xml` and
`network.bin` the graph, `head.safetensors` classifier and labels, `facts.json` the rest, `compiled-*` what OpenVINO
keeps for a faster start. All of it can be made again.
"""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.durable import sync_file, sync_folder
from retrieval.engines.openvino.quiet import openvino
from retrieval.errors import CheckpointError
from retrieval.models.digest import cache_folder
from retrieval.models.head import Head
from retrieval.models.known import LabelKind
from retrieval.models.transform import InputTransform

if TYPE_CHECKING:  # comes with torch
    from retrieval.models.checkpoint import Checkpoint

FORMAT = 1  # of the folder and of the graph: to be raised with every change of either
KEPT = 4  # networks; the flagship takes 350 MB
_GRAPH, _HEAD, _FACTS = ("network.xml", "network.bin"), "head.safetensors", "facts.json"


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """A network in OpenVINO's form, and what else there is to know of it."""

    model: Any  # the path of the graph, or the `openvino.Model` itself
    transform: InputTransform
    head: Head
    label_kind: LabelKind
    folder: Path | None = None  # where what OpenVINO makes of it is kept; None where nothing can be


def convert(checkpoint: "Checkpoint") -> Converted:
    """Convert a network, and keep it in memory alone."""
    from retrieval.engines.openvino.graph import graph  # comes with torch, which what is kept does without

    return Converted(graph(checkpoint), checkpoint.transform, Head.of(checkpoint), checkpoint.label_kind)


def converted(sha256: str, load: Callable[[], "Checkpoint"]) -> Converted:
    """The network of the weights with this SHA-256: from the cache, else from what `load` gives, and kept.

    Where the cache cannot be written, the network is converted at every start. Raises what `load` raises.
    """
    folder = folder_of(sha256)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, CheckpointError):  # what broken files raise
        found = _read(folder, sha256)
        folder.touch()  # keeps it from being the first to go
        return found
    made = convert(load())
    with contextlib.suppress(OSError, RuntimeError):  # no room, or no right to write: OpenVINO has no finer error
        _keep(folder, made, sha256)
        made = _read(folder, sha256)  # the file is mapped, where the graph in memory holds all weights
        forget_others(folder)
    return made


def folder_of(sha256: str) -> Path:
    """Where the cache keeps the network of a file with this SHA-256."""
    return cache_folder() / "openvino" / f"{sha256}-{FORMAT}-{openvino.__version__.split('-')[0]}"


def _read(folder: Path, sha256: str) -> Converted:
    facts = json.loads((folder / _FACTS).read_bytes())
    if facts["weights_sha256"] != sha256 or facts["stamps"] != _stamps(folder):
        raise ValueError(f"{folder} is not as it was written")
    head = Head.load(folder / _HEAD, weights_sha256=sha256)
    return from_facts(facts, folder / _GRAPH[0], head, folder)


def facts_of(network: Converted, weights_sha256: str) -> dict[str, Any]:
    """What JSON can hold of a network."""
    transform = asdict(network.transform)
    return {"weights_sha256": weights_sha256, "transform": transform, "label_kind": network.label_kind}


def from_facts(facts: dict[str, Any], model: Path, head: Head, folder: Path | None) -> Converted:
    """A network from what `facts_of` gave; raises KeyError, TypeError or ValueError for anything else."""
    height, width, mean, std = (facts["transform"][name] for name in ("height", "width", "mean", "std"))
    kind: LabelKind = "general" if facts["label_kind"] == "general" else "species"
    return Converted(model, InputTransform(height, width, tuple(mean), tuple(std)), head, kind, folder)


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
    network.head.save(folder / _HEAD, weights_sha256=sha256)
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
    same = [other for other in others if other.name.partition("-")[0] == folder.name.partition("-")[0]]
    for other in {*same, *others[KEPT - 1 :]}:
        shutil.rmtree(other, ignore_errors=True)  # one that is in use stays on Windows
