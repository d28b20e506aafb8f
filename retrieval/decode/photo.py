"""A photo's bytes to upright RGB pixels and facts, in any thread; reading files is left to `archive`.

`picture` reads what Pillow and pillow-heif know, `raw` what LibRaw knows; here they are chosen between and turned.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.decode import exif, picture
from retrieval.decode.picture import MAX_PIXELS, Limits, Size, Stored, turned
from retrieval.decode.quiet import hush_pillow
from retrieval.decode.raw import RawPhoto, open_raw
from retrieval.decode.rgb import to_rgb
from retrieval.decode.signatures import is_raw
from retrieval.errors import PhotoError
from retrieval.records import Facts

__all__ = ["MAX_PIXELS", "Decoded", "decode", "resize", "turn", "upright_rgb"]

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# The orientations whose first column comes to lie on the right, and whose first row comes to lie at the bottom.
_LEFT_TO_RIGHT = (2, 3, 6, 7)
_TOP_TO_BOTTOM = (3, 4, 7, 8)

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A photo's pixels, and what its file says of it."""

    image: Image.Image  # RGB, upright, possibly smaller than the photo
    box: Box  # what of the image the photo fills: at reduced scale its last pixels may lie partly beyond the photo
    facts: Facts


def decode(
    data: bytes,
    *,
    name: str,
    at_least: Size | None = None,
    max_pixels: int = MAX_PIXELS,
    allow_truncated: bool = False,
) -> Decoded:
    """Decode a photo's bytes; raise PhotoError, and nothing else, where that is impossible.

    The contents decide the format; `name` only settles what they leave open. Where `at_least` (width, height
    of the upright picture) allows it, the image comes at reduced scale, but in neither dimension below it.
    `max_pixels` bounds the pixels that are really decoded. Photos that are cut off fail unless
    `allow_truncated`: then what is missing is grey or black.
    """
    hush_pillow()
    limits = Limits(at_least, max_pixels, allow_truncated)
    suffix = PurePath(name).suffix.lower()
    with picture.photo_errors(data):
        if not data:
            raise PhotoError("empty", "the file has no bytes; restore it from a backup")
        if is_raw(data, suffix):
            return _decode_raw(data, limits)
        stored = picture.read(data, suffix, limits)
        facts = Facts(stored.format, *turned(stored.full_size, stored.orientation), **asdict(stored.tags))
        return Decoded(turn(stored.image, stored.orientation), _box(stored), facts)


def resize(image: Image.Image, width: int, height: int, box: Box | None = None) -> NDArray[np.uint8]:
    """An RGB image, or a box of it, as (height, width, 3) pixels: Pillow's antialiased bicubic straight to that size.

    This is the transform that the networks were trained with, so no faster approximation of it will do.
    """
    # A copy: the array that Pillow lends cannot be written to, and torch warns of such arrays.
    return np.array(image.resize((width, height), Image.Resampling.BICUBIC, box))


def upright_rgb(image: Image.Image) -> Image.Image:
    """A caller's Pillow image as upright RGB; raise PhotoError where it cannot be read."""
    hush_pillow()
    with picture.photo_errors():
        image.load()
        return turn(to_rgb(image), exif.orientation(exif.read_exif(image)))


def turn(image: Image.Image, orientation: int | None) -> Image.Image:
    """A picture as stored, turned upright; `orientation` counts as EXIF does."""
    if orientation not in _TURNS:
        return image
    upright = image.transpose(_TURNS[orientation])
    upright.info = {}  # it still says how the picture lay
    return upright


def _box(stored: Stored) -> Box:
    """What the picture fills of its image, once that is turned upright."""
    size, (width, height) = stored.image.size, stored.extent
    if (stored.orientation or 1) >= 5:
        size, (width, height) = size[::-1], (height, width)
    left, right = (size[0] - width, size[0]) if stored.orientation in _LEFT_TO_RIGHT else (0, width)
    top, bottom = (size[1] - height, size[1]) if stored.orientation in _TOP_TO_BOTTOM else (0, height)
    return left, top, right, bottom


def _decode_raw(data: bytes, limits: Limits) -> Decoded:
    """A RAW photo from its preview where that is large enough, else developed, else from a small preview."""
    with open_raw(data) as photo:
        preview = _read_preview(photo, limits)
        tags = exif.read_raw_tags(data)
        if preview is not None:
            tags = exif.complete(tags, preview.tags)
        if preview is not None and _suffices(preview, photo, limits.at_least):
            image, box = turn(preview.image, preview.orientation), _box(preview)
        else:
            image = _develop(photo, limits, preview)
            box = (0, 0, *image.size)
        return Decoded(image, box, Facts("RAW", *photo.size, **asdict(tags)))


def _read_preview(photo: RawPhoto, limits: Limits) -> Stored | None:
    """The preview with the orientation that brings it upright; None without one, or where it cannot be read."""
    stored = photo.preview()
    if stored is None:
        return None
    if isinstance(stored, bytes):
        side = max(limits.at_least) if limits.at_least else None  # how it lies is not known yet
        try:
            preview = picture.read(stored, ".jpg", replace(limits, at_least=(side, side) if side else None))
        except Exception:  # noqa: BLE001 - whatever is wrong with it, the sensor's data may be sound
            return None
    else:
        image = Image.fromarray(stored)
        preview = Stored(image, image.size, image.size, None, "RAW", exif.Tags())
    return replace(preview, orientation=_orientation_of(preview, photo))


def _orientation_of(preview: Stored, photo: RawPhoto) -> int:
    """How a preview lies: as its own EXIF says, as the RAW says, or upright, whichever fits the photo's shape.

    Most previews lie like the sensor, some are stored upright, and their EXIF says either, both or nothing.
    """
    tall = photo.size[1] > photo.size[0]
    for orientation in (preview.orientation, photo.orientation):
        width, height = turned(preview.full_size, orientation)
        if orientation is not None and (height > width) == tall:
            return orientation
    return 1


def _suffices(preview: Stored, photo: RawPhoto, at_least: Size | None) -> bool:
    """Whether developing could not give more of what is asked for: it halves the size."""
    wanted = at_least or photo.size
    sizes = zip(turned(preview.full_size, preview.orientation), wanted, photo.size, strict=True)
    return all(have >= min(want, whole // 2) for have, want, whole in sizes)


def _develop(photo: RawPhoto, limits: Limits, preview: Stored | None) -> Image.Image:
    try:
        picture.check_pixels(*photo.sensor_size, limits.max_pixels)
        with picture.decoding.take(photo.sensor_size[0] * photo.sensor_size[1]):
            return Image.fromarray(photo.develop())
    except PhotoError:
        if preview is None:
            raise
        return turn(preview.image, preview.orientation)
