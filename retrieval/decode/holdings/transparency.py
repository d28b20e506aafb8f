"""Whether a picture really uses its alpha channel or transparent colour: for that, pixels are decoded."""

from pathlib import PurePath

from PIL import Image, ImageSequence

from retrieval.decode import picture
from retrieval.decode.picture import MAX_PIXELS
from retrieval.decode.quiet import hush_pillow


def is_transparent(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> bool:
    """Whether any pixel of any page or frame is not fully opaque; True where that cannot be found out.

    Only worth asking where `Holdings.may_be_transparent`.
    """
    hush_pillow()
    try:
        image = picture.open_picture(data, PurePath(name).suffix.lower())
        picture.check_pixels(*image.size, max_pixels)
        with picture.decoding.take(image.width * image.height):
            return any(_uses_alpha(frame) for frame in ImageSequence.Iterator(image))
    except Exception:  # noqa: BLE001 - decoders raise whatever broken bytes provoke
        return True


def _uses_alpha(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    return bool(lowest < 255)  # type: ignore[operator]  # of one channel: numbers
