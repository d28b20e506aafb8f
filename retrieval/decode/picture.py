"""Reads the pictures that Pillow and pillow-heif know, as their files store them; `decode` turns them upright.

Whatever the bytes provoke in the decoders leaves as PhotoError.
"""

import contextlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from retrieval.decode import exif, signatures
from retrieval.decode.allowance import Allowance
from retrieval.decode.rgb import to_rgb
from retrieval.errors import PhotoError

Size = tuple[int, int]  # width, height in pixels
Extent = tuple[float, float]

MAX_PIXELS = 175_000_000  # above the largest camera sensor (151 megapixels), below Pillow's last limit (179)
# Photoshop's limit, too. Bombs one pixel wide and millions high cost far more memory than their pixels.
_MAX_SIDE = 300_000
# Pillow has decoders written in Python that take about a second a megapixel.
_MAX_PIXELS_IN_PYTHON = 25_000_000
# Averaging pixels reduces more coarsely than libjpeg does. Left at 1.5 times what is asked for, which for a network is
# 3 times its input, pictures keep a mean cosine of 0.9996 to the whole ones; a large TIFF takes half as long.
_MARGIN = 1.5

decoding = Allowance(100_000_000)  # pixels of all threads together: 400 MB as Pillow holds them

# Asked in this order. Formats of drawings, fax, science and games stay out, and with them PostScript.
_READERS = (
    "JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "AVIF", "JPEG2000", "PSD", "PPM", "DDS", "ICO", "SGI", "QOI",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """What a caller of `decode` asks for; the meaning of each field stands there."""

    at_least: Size | None
    max_pixels: int
    allow_truncated: bool


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A picture as its file stores it, before turning."""

    image: Image.Image  # RGB
    extent: Extent  # of the image's pixels, how many the picture fills: sides that do not divide end within a pixel
    full_size: Size
    orientation: int | None  # as EXIF counts, 1 to 8
    format: str
    tags: exif.Tags


def turned(size: Size, orientation: int | None) -> Size:
    """The size after turning upright; the same swap leads back."""
    return (size[1], size[0]) if (orientation or 1) >= 5 else size


def read(data: bytes, suffix: str, limits: Limits) -> Stored:
    """Decode a picture, a JPEG at reduced scale where `limits` allow it; `suffix` settles what the bytes leave open."""
    image = open_picture(data, suffix)
    full_size = image.size
    extent = _draft(image, limits.at_least)
    drafted = image.size != full_size
    width, height = image.size if drafted and _single_scan(image) else full_size
    check(image, width, height, limits.max_pixels)
    with decoding.take(width * height):
        loaded = _load(image, data, limits)
        # Only now: PNG may keep its EXIF behind the pixels, and Pillow turns TIFF while loading it.
        orientation = exif.orientation(exif.read_exif(image))
        wanted = turned(limits.at_least, orientation) if limits.at_least else None
        rgb, extent = _reduce(to_rgb(loaded), extent if drafted else loaded.size, wanted)
    return Stored(
        rgb,
        extent,
        full_size if drafted else loaded.size,  # the header of an ICO or HEIF may promise another size
        orientation,
        image.format or type(image).__name__,
        exif.read_tags(image),
    )


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise PhotoError where decoding would go over the limits."""
    if max(width, height) > _MAX_SIDE:
        raise PhotoError("too-large", f"{width:,} x {height:,} pixels: no side may be longer than {_MAX_SIDE:,}")
    if width * height > max_pixels:
        size = f"{width:,} x {height:,} = {width * height / 1e6:,.1f} megapixels"
        limit = f"{max_pixels / 1e6:,.1f}: raise it with --max-pixels if you trust the file"
        raise PhotoError("too-large", f"{size} is over the limit of {limit}")


@contextlib.contextmanager
def photo_errors(data: bytes = b"") -> Iterator[None]:
    """Turn the decoders' exceptions into PhotoError: the one place where they are met."""
    try:
        yield
    except PhotoError:
        raise
    except Exception as error:
        raise _explain(error, data) from error


def open_picture(data: bytes, suffix: str) -> ImageFile.ImageFile:
    """Read a picture's header with the first reader that accepts it; raise what the readers do, and PhotoError.

    `Image.open` has a limit of its own: it refuses a JPEG of 200 megapixels before `draft` can reduce it.
    """
    failure: Exception | None = None
    by_name = [reader for reader, suffixes in signatures.BY_NAME_ONLY.items() if suffix in suffixes]
    for reader in (*_READERS, *by_name):
        try:
            if image := _ask(reader, data):
                return image
        except Exception as error:  # noqa: BLE001 - readers refuse in every way, and another may accept
            failure = failure or error
    if signatures.is_heif(data):
        return _open_heif(data)
    if foreign := signatures.identify_foreign(data):
        raise PhotoError(foreign.kind, foreign.reason)
    raise failure or PhotoError("not-a-photo", "its contents are no photo format known here")


def _ask(reader: str, data: bytes) -> ImageFile.ImageFile | None:
    """Open with one of Pillow's readers; None where it does not claim these bytes, or was not built."""
    if reader not in Image.OPEN:
        Image.init()
    factory, accepts = Image.OPEN.get(reader, (None, None))
    claimed = accepts is None or accepts(data[:16])
    if factory is None or not claimed or isinstance(claimed, str):  # text: why it was not built
        return None
    return factory(io.BytesIO(data), "")


def _open_heif(data: bytes) -> ImageFile.ImageFile:
    from pillow_heif import HeifImageFile

    # Not registered with Pillow: that would change what the rest of the process opens.
    image: ImageFile.ImageFile = HeifImageFile(io.BytesIO(data), "")  # type: ignore[no-untyped-call]
    return image


def _draft(image: ImageFile.ImageFile, at_least: Size | None) -> Extent:
    """Let libjpeg decode at 1/2, 1/4 or 1/8 scale where that stays above `at_least`; tell what the picture fills."""
    if at_least is not None and isinstance(image, JpegImageFile):
        drafted = image.draft("RGB", turned(at_least, exif.orientation(exif.read_exif(image))))
        if drafted is not None:
            return drafted[1][2:]
    return image.size


def _single_scan(image: ImageFile.ImageFile) -> bool:
    """Whether a JPEG surely comes in one scan. Of others libjpeg holds every coefficient, whatever the scale."""
    if not isinstance(image, JpegImageFile) or image.fp is None or "progressive" in image.info:
        return False
    start_of_scan = struct.pack(">HHB", 0xFFDA, 6 + 2 * image.layers, image.layers)
    after = image.fp.tell()  # Pillow stops reading behind the header of the first scan
    image.fp.seek(max(after - 8 - 2 * image.layers, 0))
    found = image.fp.read(len(start_of_scan))
    image.fp.seek(after)
    return found == start_of_scan


def check(image: ImageFile.ImageFile, width: int, height: int, max_pixels: int) -> None:
    """Raise PhotoError where decoding so many pixels of an opened picture would go over the limits."""
    check_pixels(width, height, max_pixels)
    pixels = width * height
    if pixels > _MAX_PIXELS_IN_PYTHON and image.tile and image.tile[0][0] in Image.DECODERS:
        reason = f"{pixels / 1e6:,.1f} megapixels of {image.format} would take minutes: convert it to PNG"
        raise PhotoError("too-large", reason)
    if Image.MAX_IMAGE_PIXELS is not None and pixels > 2 * Image.MAX_IMAGE_PIXELS:
        # TIFF consults Pillow's own limit again while loading. Only a caller who asked for more changes it.
        Image.MAX_IMAGE_PIXELS = max_pixels


def _load(image: ImageFile.ImageFile, data: bytes, limits: Limits) -> Image.Image:
    try:
        image.load()
    except Exception as error:
        if not _is_cut_off(error, data):
            raise
        if limits.allow_truncated:
            return _load_partly(image, data, limits, error)
        if not _shows_parts(image):
            raise
        reason = f"cut off after {len(data):,} bytes; --allow-truncated reads what is there"
        raise PhotoError("truncated", reason) from error
    return image


def _shows_parts(image: ImageFile.ImageFile) -> bool:
    """Whether a reader gives rows as they come; HEIF, AVIF, WebP and JPEG 2000 give all or nothing."""
    return isinstance(image, JpegImageFile) or (image._im is not None and image.format != "JPEG2000")


def _load_partly(image: ImageFile.ImageFile, data: bytes, limits: Limits, error: Exception) -> ImageFile.ImageFile:
    """What a cut off file still shows. Pillow's own switch for that is one for all threads, so it stays untouched.

    libjpeg completes a picture that is properly ended. Most other readers have put their rows into the image
    before they gave up.
    """
    if isinstance(image, JpegImageFile):
        ended = open_picture(data + b"\xff\xd9", "")
        _draft(ended, limits.at_least)
        ended.load()
        return ended
    if not _shows_parts(image):
        raise error
    image.tile = []  # nothing more to load
    with contextlib.suppress(Exception):
        image.load_end()
    if image.getbbox() is None:  # not a single row
        raise error
    return image


def _reduce(image: Image.Image, extent: Extent, at_least: Size | None) -> tuple[Image.Image, Extent]:
    if at_least is None:
        return image, extent
    factor = int(min(image.width / at_least[0], image.height / at_least[1]) / _MARGIN)
    if factor < 2:
        return image, extent
    return image.reduce(factor), (extent[0] / factor, extent[1] / factor)


def _explain(error: Exception, data: bytes) -> PhotoError:
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError):
        return PhotoError("too-large", "there is not enough memory to decode it")
    if isinstance(error, Image.DecompressionBombError):
        return PhotoError("too-large", f"more pixels than Pillow opens in this format ({message})")
    if isinstance(error, NotImplementedError) or message.lower().startswith(("unsupported", "unknown")):
        return PhotoError("unsupported", f"a variant of its format that cannot be decoded here ({message})")
    if _is_cut_off(error, data):
        reason = f"cut off after {len(data):,} bytes, and no part of it can be shown; restore it from a backup"
        return PhotoError("truncated", reason)
    reason = f"the decoder gave up ({message}): it is damaged, or of a rare kind"
    return PhotoError("damaged", f"{reason}; restore it from a backup, or save it anew as JPEG or TIFF")


def _is_cut_off(error: Exception, data: bytes) -> bool:
    text = str(error).lower()
    return "truncated" in text or "not enough image data" in text or signatures.ends_early(data)
