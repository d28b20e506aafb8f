"""How fast networks were on this machine, remembered from real runs; for people, nothing depends on it."""

import contextlib
import json
from pathlib import Path

from retrieval.durable import replacing
from retrieval.models.digest import cache_folder

ENOUGH_PHOTOS = 100  # fewer measure the start of a run more than the network


def remember(sha256: str, photos: int, elapsed_s: float) -> None:
    """Keep the rate of a whole indexing run, reading and decoding included, if it was long enough to tell."""
    if photos < ENOUGH_PHOTOS or elapsed_s <= 0:
        return
    with contextlib.suppress(OSError):  # a home that cannot be written forgets
        _file().parent.mkdir(parents=True, exist_ok=True)
        with replacing(_file()) as partial:
            partial.write_text(json.dumps({**recall(), sha256: photos / elapsed_s}, indent=1), encoding="ascii")


def recall() -> dict[str, float]:
    """Return photos a second by the SHA-256 of the weights."""
    try:
        known = json.loads(_file().read_bytes())
        return {str(sha256): float(rate) for sha256, rate in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _file() -> Path:
    return cache_folder() / "speeds.json"
