"""How fast a GPU embeds: by batch size, compiled or not, and from JPEG files, with where the time goes.

    python tests/bench/gpu.py FOLDER [--model FILE] [--device auto] [--precision auto] [--photos 2000] [--batches 16,32]

Without a model, one of the size of the flagship with random weights. Beside the network stand the device's own matrix
products in the same type, beside `index` its parts by themselves. The photos of FOLDER are taken again and again, as
copies with other bytes, until there are `--photos`. `--device cpu` runs the same on the CPU, to try it out.
"""

import argparse
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
import torchvision
from networks import FLAGSHIP_SIZE, random_weights
from numpy.typing import NDArray
from PIL import ExifTags, Image
from speed import PHOTO_SUFFIXES, flop

from retrieval import Index
from retrieval.decode.prefetch import prefetch
from retrieval.embed import embedder
from retrieval.embed.embedder import AHEAD_FILES, available_cores
from retrieval.embed.prepare import Preparation, read_source
from retrieval.engines.torch.compilation import COMPILE_FROM, compiled
from retrieval.engines.torch.engine import TorchEngine
from retrieval.engines.torch.transfer import Transfer
from retrieval.models import checkpoint
from retrieval.models.checkpoint import Checkpoint
from retrieval.models.vit import VitConfig
from retrieval.records import Source

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--batches", default="16,32,64,128,256", help="sizes, with commas between them")
    parser.add_argument("--seconds", type=float, default=5, help="for each figure of the network, at least")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        model = arguments.model or Path(made) / "flagship-size.safetensors"
        if arguments.model is None:
            checkpoint.save(model, random_weights(FLAGSHIP_SIZE))
        network = checkpoint.load(model)
        engine = TorchEngine(network, device=arguments.device, precision=arguments.precision)
        describe(engine)
        embedding(engine, network, [int(size) for size in arguments.batches.split(",")], arguments.seconds)
        copying(engine)
        photos = copies(arguments.folder, Path(made) / "archive", arguments.photos)
        decoding(photos, network.config)
        other_decoders([path for path in photos[:200] if upright(path)], engine)
        del engine
        indexing(photos[0].parent, Path(made) / "index", model, arguments.device, arguments.precision)


def describe(engine: TorchEngine) -> None:
    name = torch.cuda.get_device_name(engine.device) if engine.device.startswith("cuda") else engine.device
    print(f"{name}, {engine.precision}, torch {torch.__version__}, {available_cores()} cores, {time.strftime('%F')}")


def synchronise(device: str) -> None:
    kind = torch.device(device).type
    if kind != "cpu":
        getattr(torch, kind).synchronize()


def seconds(run: Callable[[], object], device: str, at_least_s: float = 1.0) -> float:
    """Of one call among many, whose work the device does while the next is made."""
    run()
    synchronise(device)
    calls, begun = 0, time.perf_counter()
    while calls < 3 or time.perf_counter() - begun < at_least_s:
        for _ in range(3):
            run()
        synchronise(device)
        calls += 3
    return (time.perf_counter() - begun) / calls


def products(config: VitConfig, n: int, engine: TorchEngine) -> float:
    """Operations a second in products of the shape of the MLP's, in the engine's own type."""
    a = torch.ones(n * config.tokens, config.width, dtype=DTYPES[engine.precision], device=engine.device)
    b = torch.ones(config.width, config.mlp_width, dtype=a.dtype, device=engine.device)
    return 2.0 * a.shape[0] * b.numel() / seconds(lambda: a @ b, engine.device)


def embedding(engine: TorchEngine, network: Checkpoint, sizes: list[int], at_least_s: float) -> None:
    """Photos a second from pixels in this machine's memory to answers there, as `index` submits them."""
    ceiling = products(network.config, sizes[-1], engine) / flop(network.config)
    print(f"matrix products alone, {sizes[-1]} photos at once: {ceiling:.1f} photos/s; `index` takes", end=" ")
    print(f"{engine.batch_size} at once")
    for size in sizes:
        plain = rate(engine, size, at_least_s)
        engine._compiled, engine._compiled_for = compiled(engine.network), size
        begun = time.perf_counter()
        rate(engine, size, 0)
        warm_up_s = time.perf_counter() - begun
        fused = rate(engine, size, at_least_s)
        print(f"  {size} at once: {plain:.1f} photos/s, {plain / ceiling:.0%} of that; compiled {fused:.1f}", end="")
        if engine._compiled is None:
            print(" (cannot be compiled here)")
        else:
            pays = f"{warm_up_s / (1 / plain - 1 / fused):,.0f} photos" if fused > plain else "no number of photos"
            print(f" after {warm_up_s:.0f} s, which pays from {pays} on ({COMPILE_FROM:,} is what `index` waits for)")
        engine._compiled, engine._compiled_for = None, 0


def rate(engine: TorchEngine, size: int, at_least_s: float) -> float:
    shape = (size, engine.transform.height, engine.transform.width, 3)
    images = list(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    engine.submit(images)()
    waiting = deque(engine.submit(images) for _ in range(engine.batches_ahead))
    batches, begun = 0, time.perf_counter()
    while batches < 2 or time.perf_counter() - begun < at_least_s:
        waiting.append(engine.submit(images))
        waiting.popleft()()
        batches += 1
    elapsed_s = time.perf_counter() - begun
    for wait in waiting:
        wait()
    return size * batches / elapsed_s


def copying(engine: TorchEngine) -> None:
    """Gathering a batch and sending it, beside copying as many bytes within this machine's memory."""
    size = (engine.transform.height, engine.transform.width)
    images = list(np.zeros((engine.batch_size, *size, 3), np.uint8))
    transfer = Transfer(engine.device)
    sent = seconds(lambda: transfer.upload(images, size), engine.device)
    plain = seconds(lambda: np.stack(images), "cpu")
    print(f"copy to the device: {len(images) / sent:,.0f} photos/s; within memory {len(images) / plain:,.0f}")


def copies(folder: Path, target: Path, count: int) -> list[Path]:
    """So many photos in one folder, each with bytes of its own behind the end of its JPEG."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    target.mkdir()
    paths = [target / f"{number:06}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(found[number % len(found)].read_bytes() + number.to_bytes(4, "big"))
    return paths


def decoding(photos: list[Path], config: VitConfig) -> None:
    """All that threads do with a file: read, hash, EXIF, decode, thumbnail, resize; by one of them, and by all."""
    preparation = Preparation(*config.image_size)

    def run(workers: int, count: int) -> tuple[float, float]:
        jobs = (
            (lambda path=path: preparation.file(read_source(Source("", path.name, 0, 0), path)), 2**20)
            for path in photos[:count]
        )
        begun, cpu = time.perf_counter(), time.process_time()
        for _ in prefetch(jobs, workers=workers, window=AHEAD_FILES, budget=AHEAD_FILES * 2**20):
            pass
        return count / (time.perf_counter() - begun), (time.process_time() - cpu) / count

    one, each_s = run(1, max(1, len(photos) // available_cores()))
    every, _ = run(available_cores(), len(photos))
    print(
        f"decode: {1000 * each_s:.1f} ms CPU a photo; one thread {one:.1f} photos/s, {available_cores()}: {every:.1f}"
    )


def other_decoders(photos: list[Path], engine: TorchEngine) -> None:
    """torchvision's decoder on the device with torch's resizing, and what coarse colours do: their vectors, and ours.

    torchvision starts nvJPEG with its default flags, by which chroma is not interpolated (0.29, decode_jpegs_cuda.cpp).
    """
    size = (engine.transform.height, engine.transform.width)
    preparation = Preparation(*size)
    ours = vectors(engine, np.stack([preparation.image(path) for path in photos]))
    halved = [number for number, path in enumerate(photos) if sampling(path) == (2, 2)]
    if halved:  # in cameras' JPEGs mostly, in those of editors less often
        coarse = np.stack([preparation.image(with_coarse_chroma(photos[number])) for number in halved])
        print(
            f"colours of half the size not interpolated, on the CPU: {agreement(ours[halved], vectors(engine, coarse))}"
        )
    # nvJPEG takes them together, the CPU's decoder does not.
    encoded = [torch.from_numpy(np.frombuffer(path.read_bytes(), np.uint8).copy()) for path in photos]

    def decode() -> NDArray[np.uint8]:
        decoded = torchvision.io.decode_jpeg(encoded, torchvision.io.ImageReadMode.RGB, device=engine.device)
        return torch.cat([resized(image, size) for image in decoded]).permute(0, 2, 3, 1).cpu().numpy()

    try:
        decode()  # the first call starts the decoder
    except RuntimeError as error:
        print(f"torchvision's decoder: none for these photos ({str(error).splitlines()[0]})")
        return
    begun = time.perf_counter()
    pixels = decode()
    elapsed_s = time.perf_counter() - begun
    print(f"torchvision's decoder on {engine.device}, resized there: {len(photos) / elapsed_s:.1f} photos/s", end="; ")
    print(agreement(ours, vectors(engine, pixels)))


def upright(path: Path) -> bool:
    """Whether a photo is stored as it is seen: torchvision's decoder for GPUs cannot turn it."""
    return Image.open(path).getexif().get(ExifTags.Base.Orientation, 1) == 1


def sampling(path: Path) -> tuple[int, int]:
    """How many pixels of a JPEG share one of its colours, horizontally and vertically."""
    image = Image.open(path)
    return image.layer[0][1:3] if len(image.layer) == 3 else (1, 1)


def with_coarse_chroma(path: Path) -> Image.Image:
    """A photo whose colours, stored at half the size, are each taken for four pixels alike."""
    image = Image.open(path)
    image.draft("YCbCr", image.size)
    luma, *chroma = image.convert("YCbCr").split()
    coarse = [part.reduce(2).resize(part.size, Image.Resampling.NEAREST) for part in chroma]
    return Image.merge("YCbCr", (luma, *coarse)).convert("RGB")


def agreement(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> str:
    cosine = (ours * theirs).sum(axis=1)
    below = np.count_nonzero(cosine < 0.999)
    return f"cosine mean {cosine.mean():.5f}, minimum {cosine.min():.5f}, below 0.999 {below} of {len(cosine)}"


def resized(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Antialiased and bicubic; an image (3, height, width) as (1, 3, *size)."""
    x = F.interpolate(image[None].float(), size=size, mode="bicubic", antialias=True)
    return x.round().clamp(0, 255).to(torch.uint8)


def vectors(engine: TorchEngine, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    parts = [engine.run(pixels[start : start + 8]) for start in range(0, len(pixels), 8)]
    features = np.concatenate(parts)
    return features / np.linalg.norm(features, axis=1, keepdims=True)


class Clock:
    """Seconds of the main thread in each part of a run; every part but the main thread's own is a wait."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def timed(self, part: str, run: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        try:
            return run()
        finally:
            self.spent[part] = self.spent.get(part, 0.0) + time.perf_counter() - begun

    def each(self, part: str, results: Iterator[Any]) -> Iterator[Any]:
        nothing = object()
        while (result := self.timed(part, lambda: next(results, nothing))) is not nothing:
            yield result


class TimedEngine:
    """An engine whose caller's time is taken."""

    def __init__(self, engine: Any, clock: Clock) -> None:
        self._engine, self._clock = engine, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def submit(self, images: Any) -> Callable[[], Any]:
        answer = self._clock.timed("gathering, copying and launching", lambda: self._engine.submit(images))
        return lambda: self._clock.timed("waiting for the network", answer)


def indexing(archive: Path, folder: Path, model: Path, device: str, precision: str) -> None:
    """`index` from files, and what its main thread did meanwhile."""
    clock = Clock()
    plain = embedder.prefetch
    embedder.prefetch = lambda *jobs, **options: clock.each("waiting for decoded photos", plain(*jobs, **options))
    with Index.create(folder, model=str(model), engine="torch", device=device, precision=precision) as index:
        loaded = index.embedder.network.load()
        loaded.engine.run(np.zeros((loaded.engine.batch_size, loaded.model.height, loaded.model.width, 3), np.uint8))
        index.embedder.network.loaded = loaded._replace(engine=TimedEngine(loaded.engine, clock))
        cpu = time.process_time()
        report = index.add(archive)
        cpu = time.process_time() - cpu
    print(
        f"index from files: {report.embedded / report.elapsed_s:.1f} photos/s; {cpu / report.elapsed_s:.1f} cores busy"
    )
    clock.spent["listing, recording, building the search"] = report.elapsed_s - sum(clock.spent.values())
    for part, spent_s in clock.spent.items():
        print(f"  {part}: {spent_s / report.elapsed_s:.0%}, {1000 * spent_s / report.embedded:.2f} ms a photo")


if __name__ == "__main__":
    main()
