"""Which colours the numbers of a picture mean: sRGB or nothing said, or a space of its own, and whether that is wider.

Profiles are told apart by what LittleCMS makes of them, not by their names, which say anything.
"""

import hashlib
import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_SAME_LEVELS = 3  # of 255: how far renderings of sRGB by its many profiles lie apart
_WIDER = 1.1  # times the area between the primaries of sRGB; Adobe RGB has 1.35, Display P3 1.36
_STEPS = 6  # samples on each axis of the cube of colours
# Code points of ITU-T H.273, as HEIC, AVIF and PNG write them.
_PRIMARIES = {1: "sRGB", 2: "sRGB", 5: "BT.601", 6: "BT.601", 7: "BT.601", 9: "Rec. 2020", 11: "DCI-P3", 12: "P3"}
_WIDE_PRIMARIES = frozenset((9, 11, 12))
_TRANSFERS = {8: "linear", 16: "PQ", 18: "HLG"}


@dataclass(frozen=True, slots=True)
class ColourSpace:
    """What the numbers of a picture mean."""

    name: str  # for a person; "sRGB" also where nothing is said
    is_wide: bool = False  # holds colours that sRGB lacks
    digest: str = ""  # of its profile, by which two spaces of one name are told apart


SRGB = ColourSpace("sRGB")
ADOBE_RGB = ColourSpace("Adobe RGB", is_wide=True)
CMYK = ColourSpace("CMYK")


@lru_cache(maxsize=32)  # archives hold few, some of megabytes
def of_profile(profile: bytes) -> ColourSpace:
    """The colour space of an ICC profile; sRGB where it cannot be read, as all programs show such pictures."""
    digest = hashlib.sha256(profile).hexdigest()
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        kind = opened.profile.xcolor_space.strip()
        name = " ".join((opened.profile.profile_description or "").split()) or "a profile without a name"
        if kind == "GRAY":
            same = _differ(_greys(), _converted(opened, _greys(), "L")) <= _SAME_LEVELS
            return SRGB if same else ColourSpace(name, digest=digest)
        if kind != "RGB":
            return ColourSpace("CMYK" if kind == "CMYK" else name, digest=digest)
        if _differ(_cube(), _converted(opened, _cube(), "RGB")) <= _SAME_LEVELS:
            return SRGB
        return ColourSpace(name, _is_wide(opened, name), digest)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return SRGB


def of_inks(profile: bytes) -> ColourSpace:
    """The space of a CMYK picture, which may come with a profile."""
    found = of_profile(profile) if profile else CMYK
    return found if found.name == CMYK.name else CMYK


def of_code_points(primaries: int, transfer: int) -> ColourSpace:
    """The colour space of a pair of code points of ITU-T H.273: colour primaries and transfer characteristics."""
    name = _PRIMARIES.get(primaries, f"primaries {primaries}")
    wide = primaries in _WIDE_PRIMARIES
    if transfer in _TRANSFERS:
        return ColourSpace(f"{name} {_TRANSFERS[transfer]}", wide or transfer in (16, 18))
    return ColourSpace(name, wide)


def _cube() -> NDArray[np.uint8]:
    """Colours from all over the cube, (n, n * n, 3)."""
    steps = np.linspace(0, 255, _STEPS).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1)
    return grid.reshape(_STEPS, _STEPS * _STEPS, 3)


def _greys() -> NDArray[np.uint8]:
    return np.arange(256, dtype=np.uint8)[None, :]


def _own_profile() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _is_wide(opened: ImageCms.ImageCmsProfile, name: str) -> bool:
    area = _area(opened)
    return area > _WIDER * _area(_own_profile()) if area else "srgb" not in name.lower()


def _area(opened: ImageCms.ImageCmsProfile) -> float:
    """The area between the primaries on the chromaticity diagram; 0 where a profile has tables instead of primaries."""
    found = (getattr(opened.profile, f"{colour}_primary") for colour in ("red", "green", "blue"))
    points = [primary[1][:2] for primary in found if primary]
    if len(points) < 3:
        return 0.0
    (x0, y0), (x1, y1), (x2, y2) = points
    return float(abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) / 2)


def _converted(source: ImageCms.ImageCmsProfile, colours: NDArray[np.uint8], mode: str) -> NDArray[np.uint8]:
    """The same colours in sRGB's numbers; of grey the first of the three channels, which are equal."""
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    image = ImageCms.profileToProfile(Image.fromarray(colours), source, _own_profile(), intent, "RGB")
    assert image is not None
    found = np.asarray(image)
    return found[:, :, 0] if mode == "L" else found


def _differ(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> int:
    return int(np.abs(first.astype(np.int16) - second.astype(np.int16)).max())
