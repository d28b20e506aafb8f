"""A calibrated network as part of an index: files that no later run can make again, so their bytes are checked.

`int8.xml` and `int8.bin` are the graph, `int8.json` says what they are and what their SHA-256 is. The index names the
SHA-256 of the last. What OpenVINO makes of them for a faster start lies in the cache folder.
"""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from retrieval.durable import replacing, sync_file, sync_folder
from retrieval.engines.openvino_cache import Converted, facts_of, folder_of, forget_others, from_facts
from retrieval.engines.openvino_quiet import openvino
from retrieval.errors import IndexFormatError
from retrieval.models.digest import sha256
from retrieval.models.head import Head

NAME = "int8.json"
_GRAPH = ("int8.bin", "int8.xml")
REMEDY = "restore int8.json, int8.xml and int8.bin from a backup, or index anew into another folder"


@dataclass(frozen=True, slots=True)
class Kept:
    """The network in an index's folder, and the SHA-256 of its int8.json."""

    folder: Path
    sha256: str

    def check(self) -> None:
        """Raise IndexFormatError unless all files are as they were written."""
        try:
            if sha256(self.folder / NAME) != self.sha256:
                raise self._broken(NAME, "has changed")
            for name, digest in json.loads((self.folder / NAME).read_bytes())["sha256"].items():
                if sha256(self.folder / name) != digest:
                    raise self._broken(name, "has changed")
        except FileNotFoundError as error:
            raise self._broken(Path(error.filename).name, "is missing") from error
        except OSError as error:
            raise self._broken(Path(error.filename).name, f"cannot be read: {error.strerror}") from error

    def read(self, head: Callable[[], Head]) -> Converted:
        """The network, which needs a head from elsewhere. Raises IndexFormatError, and what `head` raises."""
        self.check()
        facts = json.loads((self.folder / NAME).read_bytes())
        cache = folder_of(self.sha256)
        with contextlib.suppress(OSError):  # then it only starts slower
            cache.mkdir(parents=True, exist_ok=True)
            cache.touch()
            forget_others(cache)
        return from_facts(facts, self.folder / _GRAPH[1], head(), cache if cache.is_dir() else None)

    def _broken(self, name: str, what: str) -> IndexFormatError:
        return IndexFormatError(
            f"{self.folder / name} {what}; this index's vectors were made by that calibrated network: {REMEDY}"
        )


def keep(folder: Path, network: Converted, weights_sha256: str) -> Kept:
    """Write a calibrated network into an index's folder, durably, int8.json last."""
    partial = folder / "int8.partial.xml"
    openvino.save_model(network.model, partial, compress_to_fp16=False)
    for name in _GRAPH:
        written = partial.with_suffix(Path(name).suffix)
        sync_file(written)
        written.replace(folder / name)
    sync_folder(folder)
    facts = facts_of(network, weights_sha256) | {"sha256": {name: sha256(folder / name) for name in _GRAPH}}
    with replacing(folder / NAME) as file:
        file.write_text(json.dumps(facts, indent=1), encoding="ascii")
    return Kept(folder, sha256(folder / NAME))
