"""The calibrated network of an index as files: no later run can make them again, so their bytes are checked.

`int8.xml` and `int8.bin` are OpenVINO's graph, `int8.json` says what they are and what their SHA-256 is. The index
names the SHA-256 of the last. What OpenVINO makes of them for a faster start lies in the cache folder. Importing this
module needs no OpenVINO.
"""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.durable import replacing, scratch_folder, sync_file, sync_folder
from retrieval.engines import registry
from retrieval.engines.accelerator import default_device
from retrieval.engines.protocol import INT8
from retrieval.errors import IndexFormatError, ModelError, Remedy
from retrieval.models.digest import sha256

if TYPE_CHECKING:  # come with OpenVINO
    from retrieval.engines.openvino.cache import Converted
    from retrieval.engines.openvino.engine import OpenVinoEngine

ENGINE = "openvino"
FACTS_NAME = "int8.json"
GRAPH_NAMES = ("int8.bin", "int8.xml")


@dataclass(frozen=True, slots=True)
class CalibratedNetwork:
    """The network in an index's folder, and the SHA-256 of its int8.json."""

    folder: Path
    sha256: str

    def facts(self) -> dict[str, Any]:
        """Return what int8.json says; raises IndexFormatError unless all files are as they were written."""
        self._require(FACTS_NAME, self.sha256)
        facts: dict[str, Any] = json.loads((self.folder / FACTS_NAME).read_bytes())
        for name, digest in facts["sha256"].items():
            self._require(name, digest)
        return facts

    def _require(self, name: str, digest: str) -> None:
        try:
            what = "" if sha256(self.folder / name) == digest else "has changed"
        except FileNotFoundError:
            what = "is missing"
        except OSError as error:
            what = f"cannot be read ({error.strerror})"
        if what:
            raise IndexFormatError(
                f"{self.folder / name} {what}, and only it embeds as this index was made", Remedy.RESTORE_NETWORK
            )


def require(engine: str, device: str) -> None:
    """Raise ModelError unless a new index can be made in int8 here, and should be."""
    _require_cpu(engine, device)
    if device == "auto" and default_device() != "cpu":
        raise ModelError("int8 runs on the CPU, and the GPU here is faster", Remedy.OTHER_PRECISION_OR_CPU)


def start(network: CalibratedNetwork, engine: str = "auto", device: str = "auto") -> "OpenVinoEngine":
    """Load the network of an index.

    Raises IndexFormatError if its files are not as they were written, ModelError where OpenVINO cannot run it.
    """
    _require_cpu(engine, device)
    from retrieval.engines.openvino.engine import OpenVinoEngine

    return OpenVinoEngine(read(network), precision=INT8)


def _require_cpu(engine: str, device: str) -> None:
    if device not in ("auto", "cpu"):
        raise ModelError(f"int8 runs on the CPU, not on '{device}'", Remedy.CPU_OR_OTHER_PRECISION)
    if engine not in (registry.AUTO, ENGINE):
        raise ModelError(f"int8 runs through OpenVINO, not through {engine}", Remedy.OTHER_PRECISION)
    registry.module_of(ENGINE)


def write(folder: Path, network: "Converted", weights_sha256: str) -> CalibratedNetwork:
    """Write a calibrated network into an index's folder, durably, int8.json last. Raises OSError."""
    from retrieval.engines.openvino.cache import facts_of
    from retrieval.engines.openvino.without_telemetry import openvino

    with scratch_folder(folder, "int8") as scratch:
        try:
            openvino.save_model(network.model, scratch / "int8.xml", compress_to_fp16=False)
        except RuntimeError as error:  # OpenVINO has no more specific one
            raise OSError(f"{folder / GRAPH_NAMES[0]} cannot be written: {error}") from error
        for name in GRAPH_NAMES:
            written = scratch / f"int8{Path(name).suffix}"
            sync_file(written)
            written.replace(folder / name)
    sync_folder(folder)
    facts = facts_of(network, weights_sha256) | {"sha256": {name: sha256(folder / name) for name in GRAPH_NAMES}}
    with replacing(folder / FACTS_NAME) as file:
        file.write_text(json.dumps(facts, indent=1) + "\n", encoding="ascii")
    return CalibratedNetwork(folder, sha256(folder / FACTS_NAME))


def read(network: CalibratedNetwork) -> "Converted":
    """Return the network in OpenVINO's form; raises IndexFormatError if its files are not as they were written."""
    from retrieval.engines.openvino.cache import folder_of, forget_others, from_facts

    facts, cache = network.facts(), folder_of(network.sha256)
    with contextlib.suppress(OSError):  # without a cache it only starts slower
        cache.mkdir(parents=True, exist_ok=True)
        cache.touch()
        forget_others(cache)
    return from_facts(facts, network.folder / GRAPH_NAMES[1], cache if cache.is_dir() else None)
