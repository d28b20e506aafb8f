"""How many edited copies of a photo are among its nearest neighbours, in an index of all photos and all copies.

python tests/bench/edits.py FOLDER --model FILE [--beside FILE]
"""

import argparse
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from retrieval import Embedder
from retrieval.archive.walk import Walk
from retrieval.decode.photo import decode
from retrieval.search import exact

K = 20
Edit = Callable[[Image.Image], Image.Image]


def recompressed(photo: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    photo.save(buffer, "jpeg", quality=30)
    return Image.open(buffer).convert("RGB")


def cropped(share: float, left: float = 0.5, top: float = 0.5) -> Edit:
    """Cut away this share of the area, of which `left` and `top`, from 0 to 1, say how much goes on those sides."""
    side = (1 - share) ** 0.5
    x, y = (1 - side) * left, (1 - side) * top
    return lambda photo: photo.crop(
        (
            round(photo.width * x),
            round(photo.height * y),
            round(photo.width * (x + side)),
            round(photo.height * (y + side)),
        )
    )


def watermarked(photo: Image.Image, left: float = 1 / 8, top: float = 1 / 2) -> Image.Image:
    overlay = photo.copy()
    place, size = (photo.width * left, photo.height * top), max(photo.size) // 12
    ImageDraw.Draw(overlay).text(place, "(c) a photographer", "white", font_size=size)
    return Image.blend(photo, overlay, 0.7)


EDITS: dict[str, Edit] = {
    "recompress": recompressed,
    "half size": lambda photo: photo.resize((max(1, photo.width // 2), max(1, photo.height // 2))),
    "quarter size": lambda photo: photo.resize((max(1, photo.width // 4), max(1, photo.height // 4))),
    "crop 10 %": cropped(0.10),
    "crop 25 %": cropped(0.25),
    "brightness": lambda photo: ImageEnhance.Brightness(photo).enhance(1.3),
    "grey": lambda photo: photo.convert("L").convert("RGB"),
    "watermark": watermarked,
    "border": lambda photo: ImageOps.expand(photo, max(photo.size) // 20, "white"),
    "rotate 90": lambda photo: photo.transpose(Image.Transpose.ROTATE_90),
    "mirror": ImageOps.mirror,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--beside", help="another model, measured in the same run")
    arguments = parser.parse_args()
    models = [model for model in (arguments.model, arguments.beside) if model]
    columns = [found(arguments.folder, model) for model in models]
    print(f"share of edited copies among the {K} nearest: " + " | ".join(Path(model).stem for model in models))
    for edit in EDITS:
        print(f"{edit:>14}: " + " | ".join(f"{column[edit]:.4f}" for column in columns))
    print(f"{'all':>14}: " + " | ".join(f"{np.mean(list(column.values())):.4f}" for column in columns))


def found(folder: Path, model: str) -> dict[str, float]:
    embedder = Embedder(model)
    groups = list(photos(folder))
    vectors = np.stack(
        [embedding.vector for group in groups for embedding in embedder.embed(group, top=0)]
    )  # a photo, then its copies, then the next photo
    stride = 1 + len(EDITS)
    originals = np.arange(0, len(vectors), stride)
    _, nearest = exact.search(vectors, vectors[originals], K + 1)  # the photo itself is one of them
    return {
        name: float(np.mean([own + place in row for own, row in zip(originals, nearest, strict=True)]))
        for place, name in enumerate(EDITS, start=1)
    }


def photos(folder: Path) -> Iterator[list[Image.Image]]:
    for seen in Walk(folder, folder):
        photo = decode((folder / seen.relative).read_bytes(), name=seen.relative).image
        yield [photo, *(edit(photo) for edit in EDITS.values())]


if __name__ == "__main__":
    main()
