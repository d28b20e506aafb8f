"""How fast networks were on this machine, remembered from real runs; for people, nothing depends on it."""

import contextlib
import json
from pathlib import Path

from retrieval.durable import replacing
from retrieval.models.digest import cache_folder

ENOUGH_PHOTOS = 100  # fewer measure the start of a run more than the network


def remember(sha256: str, input_size: tuple[int, int], photos: int, elapsed_s: float) -> None:
    """Keep the rate of a whole indexing run, reading and decoding included, if it was long enough to tell."""
    if photos < ENOUGH_PHOTOS or elapsed_s <= 0:
        return
    with contextlib.suppress(OSError):  # a home that cannot be written forgets
        _file().parent.mkdir(parents=True, exist_ok=True)
        with replacing(_file()) as partial:
            rates = {**_kept(), _name(sha256, input_size): photos / elapsed_s}
            partial.write_text(json.dumps(rates, indent=1), encoding="ascii")


def recall(sha256: str, input_size: tuple[int, int]) -> float | None:
    """Return photos a second of a network by the SHA-256 of its weights and its input's (height, width)."""
    return _kept().get(_name(sha256, input_size))


def _name(sha256: str, input_size: tuple[int, int]) -> str:
    return f"{sha256}-{input_size[0]}x{input_size[1]}"


def _kept() -> dict[str, float]:
    try:
        known = json.loads(_file().read_bytes())
        return {str(name): float(rate) for name, rate in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _file() -> Path:
    return cache_folder() / "speeds.json"
