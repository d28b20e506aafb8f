"""Writes and reads the calibrated network of an index.

Its files are the index's own. What OpenVINO makes of them for a faster start lies in the cache folder.
"""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

from retrieval.durable import replacing, scratch_folder, sync_file, sync_folder
from retrieval.engines.openvino.cache import Converted, facts_of, folder_of, forget_others, from_facts
from retrieval.engines.openvino.calibrated import FACTS_NAME, GRAPH_NAMES, Kept
from retrieval.engines.openvino.quiet import openvino
from retrieval.models.digest import sha256
from retrieval.models.head import Head


def keep(folder: Path, network: Converted, weights_sha256: str) -> Kept:
    """Write a calibrated network into an index's folder, durably, int8.json last. Raises OSError."""
    with scratch_folder(folder, "int8") as scratch:
        try:
            openvino.save_model(network.model, scratch / "int8.xml", compress_to_fp16=False)
        except RuntimeError as error:  # OpenVINO has no finer one
            raise OSError(f"{folder / GRAPH_NAMES[0]} cannot be written: {error}") from error
        for name in GRAPH_NAMES:
            written = scratch / f"int8{Path(name).suffix}"
            sync_file(written)
            written.replace(folder / name)
    sync_folder(folder)
    facts = facts_of(network, weights_sha256) | {"sha256": {name: sha256(folder / name) for name in GRAPH_NAMES}}
    with replacing(folder / FACTS_NAME) as file:
        file.write_text(json.dumps(facts, indent=1) + "\n", encoding="ascii")
    return Kept(folder, sha256(folder / FACTS_NAME))


def read(kept: Kept, head: Callable[[], Head]) -> Converted:
    """The network, with a head from elsewhere.

    Raises IndexFormatError if its files are not as they were, and what `head` raises.
    """
    facts, cache = kept.facts(), folder_of(kept.sha256)
    with contextlib.suppress(OSError):  # without a cache it only starts slower
        cache.mkdir(parents=True, exist_ok=True)
        cache.touch()
        forget_others(cache)
    return from_facts(facts, kept.folder / GRAPH_NAMES[1], head(), cache if cache.is_dir() else None)
