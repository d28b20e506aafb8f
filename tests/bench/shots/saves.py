"""Copies that were saved again: smaller, coarser, in another format, after two edits; and damaged files."""

from PIL import Image

from shots import expectations, frames, tones
from shots.camera import Draw, jpeg, saved
from shots.recipe import share
from shots.studio import Made, Studio
from shots.versions import Versions, exported, original

COOKBOOK = Versions()


@COOKBOOK.add("recompressed", "q95", "q80", "q60", "q40")
def recompressed(studio: Studio, size: str, draw: Draw) -> Made:
    photo, quality = original(studio, draw), int(size[1:])
    expect = expectations.EITHER if quality > 90 else expectations.KEEP_FIRST
    return exported(photo, photo.image, expect, draw, quality)


@COOKBOOK.jpeg("scaled down", "1/2", "1/3", "1/4", expect=expectations.KEEP_FIRST)
def scaled_down(image: Image.Image, size: str, _draw: Draw) -> Image.Image:
    parts = int(size[2:])
    return image.resize((image.width // parts, image.height // parts))


@COOKBOOK.add("other format, nothing lost", "PNG", "WebP", "TIFF", "BMP")
def other_format(studio: Studio, size: str, draw: Draw) -> Made:
    photo = original(studio, draw)
    options = {"PNG": {"compress_level": 1}, "WebP": {"lossless": True, "method": 0}, "TIFF": {}, "BMP": {}}
    file = saved(photo.image, size, **options[size])
    return photo.beside(f"{photo.stem}.{size.lower()}", file, expectations.EITHER)


@COOKBOOK.add("lossy WebP")
def webp(studio: Studio, _size: str, draw: Draw) -> Made:
    photo = original(studio, draw)
    return photo.beside(f"{photo.stem}.webp", saved(photo.image, "WebP", quality=75, method=1), expectations.KEEP_FIRST)


@COOKBOOK.png("lower part grey", "33 %", "10 %", expect=expectations.LESSER)
def grey_below(image: Image.Image, size: str, _draw: Draw) -> Image.Image:
    """As programs save what they could read of a file that was cut off."""
    after = image.copy()
    after.paste((128, 128, 128), (0, round(image.height * (1 - share(size))), *image.size))
    return after


@COOKBOOK.add("file cut off", "30 %", "60 %", "95 %")
def cut_off(studio: Studio, size: str, draw: Draw) -> Made:
    photo = original(studio, draw)
    begun = photo.file[: round(len(photo.file) * share(size))]
    return photo.beside(f"{photo.stem} (1).jpg", begun, expectations.LESSER)


@COOKBOOK.add("bytes overwritten")
def overwritten(studio: Studio, _size: str, draw: Draw) -> Made:
    """A broken block: from there on the colours are off, or parts of the picture are shifted."""
    photo = original(studio, draw)
    file = bytearray(photo.file)
    start = int(len(file) * draw.uniform(0.4, 0.8))
    file[start : start + 64] = bytes(int(value) for value in draw.integers(1, 255, 64))
    return photo.beside(f"{photo.stem} (1).jpg", bytes(file), expectations.LESSER)


@COOKBOOK.add("two edits in a row")
def two_edits(studio: Studio, _size: str, draw: Draw) -> Made:
    """A crop, smaller size or lower quality after another tone."""
    photo = original(studio, draw)
    tone = (tones.brightness, tones.contrast, tones.saturation)[draw.integers(3)]
    image = tone(photo.image, str(draw.choice(["+", "-"])), draw)
    second, size = ((frames.crop, "10 %"), (scaled_down, "1/2"), (tones.grey, ""))[draw.integers(3)]
    image = second(image, size, draw)
    return exported(photo, image, expectations.KEEP_FIRST, draw, int(draw.integers(60, 90)))


@COOKBOOK.add("original among its versions")
def versions(studio: Studio, _size: str, draw: Draw) -> Made:
    """Four lesser files, some of them larger than the original, beside it."""
    photo = original(studio, draw)
    small = scaled_down(photo.image, "1/3", draw)
    files = {
        photo.name: photo.file,
        f"{photo.stem}-small.jpg": jpeg(small, 85),
        f"{photo.stem}-large.png": saved(small.resize(photo.image.size), "PNG", compress_level=1),
        f"{photo.stem}-grey.png": saved(photo.image.convert("L"), "PNG", compress_level=1),
        f"{photo.stem}-framed.png": saved(frames.bordered(photo.image, "5 %", draw), "PNG", compress_level=1),
    }
    return Made(files, expectations.KEEP_FIRST, photo.shooting.told)
