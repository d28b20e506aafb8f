"""How fast photos are decoded, embedded, indexed and asked for, each beside its rival or its ceiling in the same run.

    python tests/bench/speed.py FOLDER [--model FILE] [--photos 40] [--rounds 3] [--birder-python PYTHON]

Without a model, one of the size of the flagship with random weights. What stands side by side runs in turn, round by
round: a busy machine troubles both alike. `--birder-python` names a Python that has birder: its own pipeline on the
same photos. `--megapixels 12,24` are the sizes of camera photos to decode, scaled up from the folder's with some noise.
A part that fails says so in its row, and the others go on.
"""

import argparse
import io
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from memory import enlarged
from networks import FLAGSHIP_SIZE, random_weights
from PIL import Image
from table import Table, in_turn, output, ratio

from retrieval import Index
from retrieval.cli.index import command
from retrieval.embed.prepare import DECODE_SCALE, Preparation, read_source
from retrieval.engines import registry
from retrieval.models import checkpoint, zoo
from retrieval.models.lazy_checkpoint import LazyCheckpoint
from retrieval.models.vit import VitConfig
from retrieval.records import Source

PHOTO_SUFFIXES = (".jpg", ".jpeg")
LARGE_PHOTOS = 6  # of each size: making one takes seconds
BIRDER_FLAGSHIP = ("vit_reg4_b16", "384")
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megapixels", default="12,24")
    parser.add_argument("--birder-python")
    arguments = parser.parse_args()
    table = Table()
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        photos, others, new = sample(arguments.folder, work, arguments.photos)
        model = arguments.model or work / "flagship-size.safetensors"
        if arguments.model is None:
            checkpoint.save(model, random_weights(FLAGSHIP_SIZE))
        config = checkpoint.load(model).config
        with table.part("decode"):
            decoding(table, "the folder's photos", photos, config, arguments.rounds)
            for megapixels in map(float, filter(None, arguments.megapixels.split(","))):
                large = [enlarged(photo, megapixels, work) for photo in photos[:LARGE_PHOTOS]]
                decoding(table, f"{megapixels:.0f} megapixels", large, config, arguments.rounds)
        indexes = prepared_indexes(table, work, others, model)
        for precision in indexes:
            with table.part(f"network, {precision}"):
                embedding(table, model, config, precision, indexes[precision], arguments.rounds)
        with table.part("index"):
            birder = None if arguments.model else arguments.birder_python
            indexing(table, work, photos, indexes, birder, arguments.rounds)
        if indexes:
            with table.part("query"):
                asking(table, next(reversed(indexes.values())), others[0], new, arguments.rounds)
    print(f"load average {os.getloadavg()[0]:.1f} on {cores()} cores, median of {arguments.rounds} rounds")
    table.print()


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def sample(folder: Path, work: Path, count: int) -> tuple[list[Path], list[Path], Path]:
    """Copy photos of a folder, evenly spread: some to time, as many others to begin an index with, and one more."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    chosen = found[:: max(1, len(found) // (2 * count + 1))][: 2 * count + 1]
    if len(chosen) < 3:
        sys.exit(f"{folder} has {len(found)} JPEGs: give a folder with more of them")
    for name in ("archive", "others"):
        (work / name).mkdir()
    new = Path(shutil.copy(chosen.pop(), work / "new.jpg"))
    split: dict[str, list[Path]] = {"archive": [], "others": []}
    for number, path in enumerate(chosen):
        name = ("archive", "others")[number % 2]
        split[name].append(Path(shutil.copy(path, work / name / f"{number:05}.jpg")))
    return split["archive"], split["others"], new


def decoding(table: Table, what: str, photos: list[Path], config: VitConfig, rounds: int) -> None:
    """CPU time of one thread, beside libjpeg's at the same scale and beside the whole picture's."""
    height, width = config.image_size
    preparation = Preparation(height, width)

    def indexed(path: Path) -> object:
        return preparation.file(read_source(Source("", path.name, 0, 0), path))

    def libjpeg(path: Path, *, whole: bool) -> object:
        image = Image.open(io.BytesIO(path.read_bytes()))
        if whole:
            return image.resize((width, height), Image.Resampling.BICUBIC)
        image.draft("RGB", (DECODE_SCALE * width, DECODE_SCALE * height))  # type: ignore[no-untyped-call]
        return image.load()

    def cpu(work: Callable[[Path], object]) -> float:
        begun = time.process_time()
        for photo in photos:
            work(photo)
        return time.process_time() - begun

    times = in_turn(
        rounds,
        ours=partial(cpu, preparation.image),
        indexed=partial(cpu, indexed),
        ceiling=partial(cpu, partial(libjpeg, whole=False)),
        whole=partial(cpu, partial(libjpeg, whole=True)),
    )
    each = {name: f"{1000 * statistics.median(values) / len(photos):.1f} ms CPU" for name, values in times.items()}
    ceiling, whole = f"{each['ceiling']}, libjpeg alone", f"{each['whole']}, in full"
    table.add(f"decode + transform, {what}", each["ours"], ceiling, ratio(times["ours"], times["ceiling"]))
    table.add(f"decode + transform, {what}", each["ours"], whole, ratio(times["ours"], times["whole"]))
    table.add(
        f"the same with facts, hash, look, {what}", each["indexed"], ceiling, ratio(times["indexed"], times["ceiling"])
    )


def prepared_indexes(table: Table, work: Path, others: list[Path], model: Path) -> dict[str, Path]:
    """An index of the other photos in each precision that can be had here; what calibrates has done so then."""
    option = next(option for option in command.params if option.name == "precision")
    made = {}
    for precision in option.type.choices:  # type: ignore[attr-defined]
        folder = work / f"index-{precision}"
        if precision == "auto" or (precision == "fp16" and not torch.cuda.is_available()):
            continue  # fp16 is for accelerators
        with table.part(f"index, {precision}"):
            index(folder, others[0].parent, "--model", str(model), "--precision", precision, "--device", "cpu")
            made[precision] = folder
    return made


def embedding(table: Table, model: Path, config: VitConfig, precision: str, folder: Path, rounds: int) -> None:
    """Photos a second of the network, beside products of its largest matrices, and in torch."""
    with Index.open(folder, device="cpu") as opened:
        engine = opened.embedder.network.load().engine
        batch = np.random.default_rng(0).integers(0, 256, (16, *config.image_size, 3), dtype=np.uint8)
        kind = precision if precision in _TYPES else "bf16"
        runs = {"ceiling": partial(product, config, len(batch), _TYPES[kind]), "ours": partial(engine.run, batch)}
        if precision == kind:
            weights = LazyCheckpoint(zoo.resolve(str(model)))
            other = registry.start(weights, engine="torch", device="cpu", precision=precision)
            runs["torch"] = partial(other.run, batch)
        times = in_turn(rounds, **runs)
    rate = {name: f"{len(batch) / statistics.median(values):.1f} photos/s" for name, values in times.items()}
    gflop = flop(config) * len(batch) / 1e9 / statistics.median(times["ceiling"])
    table.add(
        f"network, {precision}",
        rate["ours"],
        f"{rate['ceiling']}, {kind} matrix products ({gflop:.0f} GFLOP/s)",
        ratio(times["ceiling"], times["ours"]),
    )
    if "torch" in rate:
        table.add(
            f"network, {precision}", rate["ours"], f"{rate['torch']}, torch", ratio(times["torch"], times["ours"])
        )


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


def indexing(
    table: Table, work: Path, photos: list[Path], indexes: dict[str, Path], birder: str | None, rounds: int
) -> None:
    """Photos added to an index, as the command reports them, beside birder's pipeline and a copy of the files."""
    archive = photos[0].parent
    runs: dict[str, Callable[[], object]] = {name: partial(add, folder, archive) for name, folder in indexes.items()}
    runs["copied"] = partial(copy, archive, work / "copied")
    if birder:
        script = Path(__file__).with_name("birder_pipeline.py")
        asked = [birder, str(script), str(archive), *BIRDER_FLAGSHIP, str(cores())]
        runs["birder"] = lambda: float(json.loads(output(asked))["elapsed_s"])
    times = in_turn(rounds, **runs)
    rate = {name: f"{len(photos) / statistics.median(values):.1f} photos/s" for name, values in times.items()}
    for name in indexes:
        what = f"index end to end, {name}"
        table.add(what, rate[name], f"{rate['copied']}, copying the files", ratio(times["copied"], times[name]))
        if birder:
            table.add(what, rate[name], f"{rate['birder']}, birder", ratio(times["birder"], times[name]))


def add(folder: Path, archive: Path) -> float:
    """Seconds to add the archive to a copy of the index."""
    grown = folder.with_name("grown")
    shutil.rmtree(grown, ignore_errors=True)
    shutil.copytree(folder, grown)
    return index(grown, archive, "--device", "cpu")


def index(folder: Path, archive: Path, *words: str) -> float:
    command = [sys.executable, "-m", "retrieval", "index", str(archive), "--index", str(folder), "--format", "json"]
    return float(json.loads(output([*command, *words]))["elapsed_s"])


def copy(archive: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(archive, target)


def asking(table: Table, folder: Path, known: Path, new: Path, rounds: int) -> None:
    """Whole processes, beside what any query in Python has to load."""

    def query(image: Path) -> None:
        output([sys.executable, "-m", "retrieval", "query", str(image), "--index", str(folder), "--device", "cpu"])

    libraries = [sys.executable, "-c", "import numpy, sqlalchemy.orm, faiss"]
    times = in_turn(rounds, indexed=partial(query, known), new=partial(query, new), bare=partial(output, libraries))
    bare = f"{statistics.median(times['bare']):.2f} s, the libraries alone"
    for name, what in (("indexed", "of an indexed photo"), ("new", "of a new photo")):
        ours = f"{statistics.median(times[name]):.2f} s"
        table.add(f"query, whole process, {what}", ours, bare, ratio(times[name], times["bare"]))


if __name__ == "__main__":
    main()
