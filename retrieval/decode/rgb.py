"""Turns the pixels of every Pillow mode into plain 8-bit RGB; opening and turning photos is `decode`'s job.

Embedded colour profiles are ignored, as the networks were trained on pixels read so. The exceptions are
CMYK with a profile and Lab, where the numbers mean little without one.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms


def to_rgb(image: Image.Image) -> Image.Image:
    """The same pixels as RGB: transparency over white, more than 8 bits scaled down. Returns RGB as it is."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode == "F":
        return Image.fromarray(_eight_bits_of_floats(np.asarray(image))).convert("RGB")
    if image.mode in ("CMYK", "LAB"):
        return _by_profile(image)
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        return _over_white(image if image.mode == "RGBA" else image.convert("RGBA"))  # convert would copy
    return image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image)
    return paper


def _eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey integers of any width to 8 bits. Files do not say how many bits they use: 12-bit scans come in 16.

    So the brightest value decides: the scale is the smallest number of bits that holds it. A dark photo may
    come out brighter than it is; trusting the container would turn a 12-bit photo black.
    """
    wide = values.astype(np.int64) if values.dtype.itemsize > 2 else values.astype(np.uint16)
    lowest = int(wide.min())
    if lowest < 0:
        wide = wide - lowest
    spare_bits = max(int(wide.max()).bit_length() - 8, 0)
    return (wide >> spare_bits).astype(np.uint8)


def _eight_bits_of_floats(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey floats to 8 bits: 0 to 1 by convention, by the brightest value where they go beyond; no nan."""
    finite = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    white = max(float(finite.max()), 1.0)
    eight_bits: NDArray[np.uint8] = (np.clip(finite / white, 0, 1) * 255 + 0.5).astype(np.uint8)
    return eight_bits


def _by_profile(image: Image.Image) -> Image.Image:
    """CMYK and Lab to sRGB through LittleCMS; CMYK without a usable profile by Pillow's plain inversion."""
    try:
        source = ImageCms.ImageCmsProfile(
            ImageCms.createProfile("LAB") if image.mode == "LAB" else io.BytesIO(image.info["icc_profile"])
        )
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, KeyError):
        return image.convert("RGB")
    assert converted is not None
    return converted
