"""The SHA-256 of weight files, remembered between runs: checking them must not slow down every start."""

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path

from retrieval.durable import replacing

_SETTLED_S = 2.0  # the coarsest mtime of common file systems (FAT): a younger file could change unnoticed


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal; computed once for as long as its size and mtime stay the same.

    Raises OSError if the file cannot be read. Where the cache folder cannot be written, it forgets.
    """
    path = path.resolve()
    before = path.stat()
    stamp = [before.st_size, before.st_mtime_ns]
    remembered = _remembered()
    match remembered.get(str(path)):
        case {"stamp": known, "sha256": str(digest)} if known == stamp:
            return digest
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    after = path.stat()
    if [after.st_size, after.st_mtime_ns] == stamp and time.time() - before.st_mtime > _SETTLED_S:
        _remember(remembered | {str(path): {"stamp": stamp, "sha256": digest}})
    return digest


def cache_folder() -> Path:
    """`RETRIEVAL_CACHE_DIR`, else the platform's place for what can be computed again."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("RETRIEVAL_CACHE_DIR")
    return Path(chosen).expanduser() if chosen else user_cache_path("retrieval", appauthor=False)


def _memory() -> Path:
    return cache_folder() / "sha256.json"


def _remembered() -> dict[str, object]:
    try:
        known = json.loads(_memory().read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(known: dict[str, object]) -> None:
    kept = {path: entry for path, entry in known.items() if Path(path).exists()}
    # Two processes at once may lose an entry or leave no valid JSON: either is only computed again.
    with contextlib.suppress(OSError):
        _memory().parent.mkdir(parents=True, exist_ok=True)
        with replacing(_memory()) as partial:
            partial.write_text(json.dumps(kept, indent=1), encoding="ascii")
