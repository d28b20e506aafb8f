"""The calibrated network of an index as files: no later run can make them again, so their bytes are checked.

`int8.xml` and `int8.bin` are OpenVINO's graph, `int8.json` says what they are and what their SHA-256 is. The index
names the SHA-256 of the last. What reads and runs them is `openvino_kept`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.errors import IndexFormatError
from retrieval.models.digest import sha256

FACTS_NAME = "int8.json"
GRAPH_NAMES = ("int8.bin", "int8.xml")
REMEDY = "restore int8.json, int8.xml and int8.bin from a backup, or index anew into another folder"


@dataclass(frozen=True, slots=True)
class Kept:
    """The network in an index's folder, and the SHA-256 of its int8.json."""

    folder: Path
    sha256: str

    def facts(self) -> dict[str, Any]:
        """What int8.json says; raises IndexFormatError unless all files are as they were written."""
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
            raise IndexFormatError(f"{self.folder / name} {what}, and only it embeds as this index was made: {REMEDY}")
