"""People who resolve model names against a hub, each in a process and with a cache of their own."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

MODEL = "vit_reg4_tiny_test"
REPOSITORY = f"birder-project/{MODEL}"
RESOLVE = """
import json, os, sys, types
from retrieval.errors import ModelError
from retrieval.models import zoo
zoo.KNOWN = types.MappingProxyType({**zoo.KNOWN, **json.loads(os.environ["PINS"])})
assert not sys.modules.keys() & {"torch", "huggingface_hub"}
try:
    weights = zoo.resolve(sys.argv[1], download=sys.argv[2] == "download")
    answer = [weights.name, weights.source, str(weights.path), weights.sha256]
except ModelError as error:
    answer = [type(error).__name__, str(error)]
print(json.dumps([*answer, sorted(sys.modules.keys() & {"torch", "httpx", "httpx2", "requests"})]))
"""


@dataclass(frozen=True)
class Resolution:
    name: str
    source: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Refusal:
    kind: str
    message: str
    elapsed_s: float


class Person:
    """Someone with a cache of their own, who resolves names against a hub."""

    def __init__(self, folder: Path, endpoint: str, **pins: str) -> None:
        self.cache = folder / "hf" / "hub"
        foreign = ("HF_", "HUGGINGFACE", "TRANSFORMERS", "XDG_", "RETRIEVAL_", "DO_NOT", "DISABLE_")
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        self.environment |= {
            "HF_HOME": str(folder / "hf"),
            "HF_ENDPOINT": endpoint,
            "RETRIEVAL_CACHE_DIR": str(folder / "cache"),
            "NO_PROXY": "127.0.0.1",
            "PINS": json.dumps(pins),
        }
        self.libraries: list[str] = []  # that the last resolution loaded
        self.chatter = ""  # what it said on stderr

    def _run(self, model: str, download: bool, settings: dict[str, str]) -> tuple[list[str], float]:
        started = time.monotonic()
        command = [sys.executable, "-c", RESOLVE, model, "download" if download else "here"]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment | settings, timeout=100, check=False
        )
        self.chatter = done.stderr
        assert done.returncode == 0, done.stderr
        *answer, self.libraries = json.loads(done.stdout)
        return answer, time.monotonic() - started

    def resolves(self, model: str, *, download: bool = True, **settings: str) -> Resolution:
        answer, _ = self._run(model, download, settings)
        assert len(answer) == 4, answer
        return Resolution(answer[0], answer[1], Path(answer[2]), answer[3])

    def is_refused(self, model: str, *, download: bool = True, **settings: str) -> Refusal:
        answer, elapsed_s = self._run(model, download, settings)
        assert len(answer) == 2, answer
        assert "\n" not in answer[1]
        return Refusal(answer[0], answer[1], elapsed_s)
