"""How fast photos are decoded, embedded, indexed and asked for, each beside its rival or its ceiling in the same run.

    python tests/bench/speed.py FOLDER [--model FILE] [--photos 40] [--rounds 3] [--birder-python PYTHON]

Without a model, one of the size of the flagship with random weights. What stands side by side runs in turn, round by
round: a
busy machine troubles both alike. `--birder-python` names a Python that has birder: its own pipeline on the same photos.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from networks import FLAGSHIP_SIZE, random_weights

from retrieval.engines import choice
from retrieval.models import checkpoint, zoo
from retrieval.models.vit import VitConfig
from retrieval.prepare import Preparation

PHOTO_SUFFIXES = (".jpg", ".jpeg")
BIRDER_FLAGSHIP = ("vit_reg4_b16", "384")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--birder-python")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        photos = sample(arguments.folder, work / "archive", arguments.photos + 1)
        new = photos.pop().rename(work / "new.jpg")
        model = arguments.model or work / "flagship-size.safetensors"
        if arguments.model is None:
            checkpoint.save(model, random_weights(FLAGSHIP_SIZE))
        print(f"load average {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")
        decoding(photos, checkpoint.load(model).config, arguments.rounds)
        embedding(model, arguments.rounds)
        indexing(work, model, None if arguments.model else arguments.birder_python, arguments.rounds)
        asking(work, photos[0], new, arguments.rounds)


def sample(folder: Path, target: Path, count: int) -> list[Path]:
    """Copy so many photos of a folder, evenly spread."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    target.mkdir()
    chosen = found[:: max(1, len(found) // count)][:count]
    return [Path(shutil.copy(path, target / f"{number:05}.jpg")) for number, path in enumerate(chosen)]


def in_turn(rounds: int, **runs: Callable[[], object]) -> dict[str, list[float]]:
    """Seconds of each, round by round; one round before is not counted."""
    elapsed: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            begun = time.perf_counter()
            stated = run()
            if number:
                elapsed[name].append(stated if isinstance(stated, float) else time.perf_counter() - begun)
    return elapsed


def ratio(slower: list[float], faster: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(slower, faster, strict=True))


def decoding(photos: list[Path], config: VitConfig, rounds: int) -> None:
    preparation = Preparation(*config.image_size)

    def cpu(work: Callable[[Path], object]) -> float:
        begun = time.process_time()
        for photo in photos:
            work(photo)
        return time.process_time() - begun

    full = Preparation(*(10_000, 10_000))  # asks for more pixels than there are: nothing is left out
    times = in_turn(
        rounds,
        reduced=partial(cpu, preparation.image),
        full=partial(cpu, lambda photo: full._decode(photo.read_bytes(), photo.name)),
        read=partial(cpu, Path.read_bytes),
    )
    each = {name: 1000 * statistics.median(values) / len(photos) for name, values in times.items()}
    print(
        f"decode + transform: {each['reduced']:.1f} ms CPU a photo; {each['full']:.1f} decoded in full, not resized; ",
        end="",
    )
    print(f"{each['read']:.2f} reading alone")


def embedding(model: Path, rounds: int) -> None:
    """Photos a second of the network in each engine, beside products of the network's largest matrices."""
    weights = zoo.resolve(str(model))
    config = checkpoint.load(model).config
    batch = np.random.default_rng(0).integers(0, 256, (16, *config.image_size, 3), dtype=np.uint8)
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        runs = {"ceiling": partial(product, config, len(batch), dtype)}
        for name in ("openvino", "torch"):
            if choice.choose("auto", "cpu", precision) == name or name == "torch":
                engine = choice.start(weights, engine=name, device="cpu", precision=precision).engine
                runs[name] = partial(engine.run, batch)
        times = in_turn(rounds, **runs)
        rate = flop(config) * len(batch) / 1e9
        print(
            f"network, {precision}: matrix products {rate / statistics.median(times['ceiling']):.0f} GFLOP/s; ", end=""
        )
        for name in runs.keys() - {"ceiling"}:
            share = ratio(times["ceiling"], times[name])
            print(f"{name} {len(batch) / statistics.median(times[name]):.2f} photos/s, {share:.0%} of them; ", end="")
        print()


def flop(config: VitConfig) -> float:
    """Of the whole network for one image, two for a multiplication with its addition."""
    tokens, width = config.tokens, config.width
    block = 4 * width * width + 2 * width * config.mlp_width + 2 * tokens * width
    return 2.0 * tokens * (config.blocks * block + 3 * config.patch_size**2 * width)


def product(config: VitConfig, n: int, dtype: torch.dtype) -> float:
    """Seconds that products of the MLP's shape take for as many operations as the network has.

    By NumPy where it has the type: its float32 products are faster than torch's on some processors.
    """
    a = torch.ones(n * config.tokens, config.width, dtype=dtype)
    b = torch.ones(config.width, config.mlp_width, dtype=dtype)
    multiply: Callable[[], object] = partial(torch.mm, a, b)
    if dtype is torch.float32:
        multiply = partial(np.matmul, a.numpy(), b.numpy())
    one = 2.0 * a.shape[0] * b.numel()
    repeats = max(1, round(flop(config) * n / one / 4))
    begun = time.perf_counter()
    for _ in range(repeats):
        multiply()
    return (time.perf_counter() - begun) * flop(config) * n / (one * repeats)


def indexing(work: Path, model: Path, birder: str | None, rounds: int) -> None:
    runs = {"retrieval": partial(index, work, model)}
    if birder:
        command = [birder, str(Path(__file__).with_name("birder_pipeline.py")), str(work / "archive"), *BIRDER_FLAGSHIP]
        runs["birder"] = lambda: float(json.loads(output([*command, str(os.cpu_count())]))["elapsed_s"])
    times = in_turn(rounds, **runs)
    count = len(list((work / "archive").iterdir()))
    for name, values in times.items():
        print(f"index end to end, {name}: {count / statistics.median(values):.2f} photos/s")
    if birder:
        print(f"  ratio, round by round: {ratio(times['birder'], times['retrieval']):.2f}")


def index(work: Path, model: Path) -> float:
    shutil.rmtree(work / "index", ignore_errors=True)
    words = ("index", str(work / "archive"), "--model", str(model), "--index", str(work / "index"), "--format", "json")
    return float(json.loads(output([sys.executable, "-m", "retrieval", *words]))["elapsed_s"])


def asking(work: Path, known: Path, new: Path, rounds: int) -> None:
    """Whole processes, beside what any query in Python has to load."""

    def query(image: Path) -> None:
        output([sys.executable, "-m", "retrieval", "query", str(image), "--index", str(work / "index")])

    libraries = [sys.executable, "-c", "import numpy, sqlalchemy.orm, faiss"]
    times = in_turn(rounds, indexed=partial(query, known), new=partial(query, new), bare=partial(output, libraries))
    for name, what in (("indexed", "of an indexed photo"), ("new", "of a new photo"), ("bare", "libraries alone")):
        print(f"query, whole process, {what}: {statistics.median(times[name]):.2f} s")


def output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
