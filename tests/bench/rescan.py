"""A second run over an unchanged archive, and one after a folder was moved, beside a bare walk over the same files.

python tests/bench/rescan.py --photos 20000
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from photos import photo
from tiny import tiny_checkpoint

FOLDER_SIZE = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        archive = place / "archive"
        for number in range(arguments.photos):
            photo(archive / f"{number // FOLDER_SIZE:04}" / f"{number:06}.jpg", number, size=(48, 32))
        model = tiny_checkpoint(place / "tiny.safetensors")
        print(f"first run:  {timed(lambda: run(place, 'archive', '--model', str(model))):8.2f} s")
        for label in ("second run", "third run"):
            walk, again = timed(lambda: bare_walk(archive)), timed(lambda: run(place))
            print(f"{label}: {again:8.2f} s, {again / walk:.1f} times a bare walk ({walk:.2f} s), whole process")
        (archive / "0001").rename(archive / "moved")
        print(f"after a folder of {FOLDER_SIZE} moved: {timed(lambda: run(place)):8.2f} s")


def run(place: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "retrieval", "index", *words], cwd=place, check=True, capture_output=True, text=True
    )
    print("  " + " | ".join(" ".join(line.split()) for line in done.stdout.splitlines()))


def bare_walk(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            os.stat(os.path.join(parent, name))


def timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
