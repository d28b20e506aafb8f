"""The most memory that a whole `retrieval index` takes, beside the network alone, by the number of photos.

    python tests/bench/memory.py FOLDER [--model FILE] [--photos 1000,20000] [--megapixels 50 --large 40]

Photos of the folder are copied until there are so many, each with a few bytes of its own behind its end. Without a
model, a tiny one with random weights: what grows with the photos does not depend on it. With `--megapixels` there is a
row of so many large camera photos, scaled up from the folder's with some noise; give the model that matters there.
"""

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny import tiny_checkpoint

PHOTO_SUFFIXES = (".jpg", ".jpeg")
LIMIT_MB = 1500  # above the weights
FOLDER_SIZE = 1000  # photos
DIFFERENT_LARGE = 8  # files; making one takes seconds
# Runs a command line and tells the peak of this process alone: getrusage would count in the process that started it.
INSIDE = """
import sys
from pathlib import Path
try:
    if sys.argv[1] == "network":
        import numpy as np
        from retrieval.engines import choice
        from retrieval.models import zoo
        engine = choice.start(zoo.resolve(sys.argv[2])).engine
        size = engine.transform.height, engine.transform.width, 3
        engine.run(np.zeros((engine.batch_size, *size), np.uint8))
    else:
        from retrieval.cli import main
        main(sys.argv[1:], standalone_mode=False)
finally:
    print(Path("/proc/self/status").read_text(), file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--photos", default="1000,20000")
    parser.add_argument("--megapixels", type=float)
    parser.add_argument("--large", type=int, default=40)
    arguments = parser.parse_args()
    if not Path("/proc/self/status").exists():
        parser.error("peaks of memory are read from /proc, which only Linux has")
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        model = arguments.model or tiny_checkpoint(work / "tiny.safetensors")
        weights = model.stat().st_size / 1e6
        os.environ["RETRIEVAL_CACHE_DIR"] = str(work / "cache")
        peak(["network", str(model)])  # converts it, once
        alone = peak(["network", str(model)])
        print(f"weights {weights:.0f} MB; the network alone {alone:.0f} MB")
        print(f"{'photos':>8} {'MB each':>8} {'peak MB':>8} {'above the network':>18} {'above the weights':>18}  limit")
        for archive in archives(arguments, work):
            files = [path for path in archive.rglob("*") if path.is_file()]
            each = sum(path.stat().st_size for path in files) / len(files) / 1e6
            index = work / f"index of {archive.name}"
            most = peak(["index", str(archive), "--model", str(model), "--index", str(index), "--format", "json"])
            above = most - weights
            print(
                f"{len(files):8,} {each:8.2f} {most:8.0f} {most - alone:18.0f} {above:18.0f}  "
                f"{'kept' if above <= LIMIT_MB else 'EXCEEDED'}",
                flush=True,
            )


def archives(arguments: argparse.Namespace, work: Path) -> Iterator[Path]:
    """Folders of photos, made when their turn comes."""
    found = sorted(path for path in arguments.folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    for count in map(int, filter(None, arguments.photos.split(","))):
        yield copies(found, count, work / f"{count} photos")
    if arguments.megapixels:
        chosen = found[:: max(1, len(found) // DIFFERENT_LARGE)][:DIFFERENT_LARGE]
        large = [enlarged(path, arguments.megapixels, work) for path in chosen]
        yield copies(large, arguments.large, work / "large photos")


def copies(photos: list[Path], count: int, target: Path) -> Path:
    """So many different files of these photos; what follows a JPEG's end is not read."""
    for number, photo in zip(range(count), itertools.cycle(photos), strict=False):
        folder = target / f"{number // FOLDER_SIZE:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:06}.jpg").write_bytes(photo.read_bytes() + number.to_bytes(8, "big"))
    return target


def enlarged(photo: Path, megapixels: float, work: Path) -> Path:
    """A camera's file of that size, as far as a decoder can tell."""
    with Image.open(photo) as image:
        scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
        size = round(image.width * scale), round(image.height * scale)
        pixels = np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    noise = np.random.default_rng(0).integers(-6, 7, pixels.shape, dtype=np.int16)
    target = work / f"{photo.stem} enlarged.jpg"
    Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(target, quality=93)
    return target


def peak(words: list[str]) -> float:
    """Megabytes that a process had at most, all of its mapped files among them."""
    done = subprocess.run([sys.executable, "-c", INSIDE, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    if words[0] == "index" and json.loads(done.stdout)["failed"]:
        sys.exit(f"photos failed: {done.stdout}")
    found = re.search(r"VmHWM:\s+(\d+) kB", done.stderr)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
