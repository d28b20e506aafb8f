"""Judges two pictures that lie upon each other: whether one shows all that the other shows, and if they are one shot.

What differs is measured by `differences`, `sharpness` and `exposures`; here is what follows from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.dedupe.alike.closeup import close_up, own_detail
from retrieval.dedupe.alike.differences import Differences, differences
from retrieval.dedupe.alike.exposures import Noise, Placement, Size, noise, placement
from retrieval.dedupe.alike.overlay import Overlay, Pixels, overlay
from retrieval.dedupe.alike.photo_file import PhotoFile, Picture
from retrieval.dedupe.alike.registration import Transform
from retrieval.dedupe.alike.sharpness import Sharpness, sharpness

_LARGEST = 1.0  # units of (long side / 100) squared: a larger area that differs is something to see
_LARGEST_PIXELS = 25  # the same where a picture is so small that a unit has few pixels
_WHOLE = 0.985  # of the frame: what alignment and borders leave uncertain
_EDGE = 1.5  # pixels of the coarser picture: the same where that is more
_UNLIKE = 0.8  # of the structure: with more left unexplained, two pictures show nothing in common
_REFOCUSED = 0.02  # of the places
_SOFTER = 0.5  # octaves
_LOST = 0.4  # of the finest structure
_SOFTER_PLACES = 0.01  # of the places
_DENSER = 1.05  # pixels along a side
_NOISY = 0.6  # grey levels
_COMPRESSED = 0.5  # of the noise is left
_FRAME = 0.01  # of a picture: less around another is not looked at
_ONE_COLOUR, _PLAIN = 12, 0.55  # levels within which, and the share that makes a frame
_BARE = 0.97  # of what lies around: a border without anything on it
_GOES_ON = 0.3  # of the rim inside it: then it is no frame
_BLOWN_UP = 0.5  # of its finest structure: with less of its own, a picture may have been blown up
_COLOURLESS, _COLOURED = 2.0, 5.0  # mean difference of a colour channel from grey, in levels

Place = tuple[int, int, int, int]  # x, y, width, height in thousandths of a frame


@dataclass(frozen=True, slots=True)
class Judgement:
    """What two pictures are to each other."""

    kind: str  # near, altered, overlap, same-scene
    score: float  # correlation of their structure, 0 to 1
    why: str  # not near: "differs at 61 %, 40 %: 3 % of the frame"; else empty
    first_lacks: tuple[str, ...]  # what would be lost if only the first stayed
    second_lacks: tuple[str, ...]
    places: tuple[Place, ...]  # where they differ, in the frame of the first
    shared: float  # share of the first's frame that the second shows too, or the reverse: the lower of the two


class Around(Enum):
    """What a picture shows around another that lies in it."""

    NOTHING = 0
    BORDER = 1  # one colour: nothing that could be lost
    FRAME = 2  # nearly one colour, with words or ornaments: added by a program
    MORE = 3  # more of the scene


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What was measured of two pictures that lie upon each other."""

    pictures: tuple[Picture, Picture]
    laid: Overlay
    differs: Differences
    sharp: Sharpness
    noise: Noise
    placement: Placement
    own: float  # share of the finest structure of the one with more pixels that the other does not tell, 0 to 1
    around: tuple[Around, Around]  # what the first, and the second, has around the other

    @property
    def limit(self) -> float:
        """The area that two versions of one picture may differ in, in units."""
        limit = max(_LARGEST, _LARGEST_PIXELS / (self.laid.side / 100) ** 2)
        return limit / 2 if self.laid.is_clean else limit

    @property
    def covered(self) -> tuple[bool, bool]:
        """Whether the first is covered by the second, and the second by the first, borders apart."""
        height, width = self.laid.shared.shape
        missing = max(1 - _WHOLE, _EDGE * (1 / width + 1 / height))
        first, second = (
            share >= 1 - missing or around is Around.BORDER
            for share, around in zip(_shares(self.laid), self.around, strict=True)
        )
        return first, second

    @property
    def density(self) -> float:
        """How many pixels of the second's file there are along a line for each of the first's."""
        of_first, of_second = (picture.width / picture.pixels.shape[1] for picture in self.pictures)
        return float(self.laid.scale * of_second / of_first)


def gather(first: Picture, second: Picture, start: Transform) -> Evidence | None:
    """Measure two pictures; None where they have nothing in common.

    `start` takes places of the first's pixels to places of the second's, about.
    """
    laid = overlay(first.pixels, second.pixels, start)
    if laid.residual > _UNLIKE or not laid.shared.any():
        return None
    whole = first.is_whole and second.is_whole
    frame = (0, 0, first.width - 1, first.height - 1)
    lies = placement(laid.to_second, frame, *_sizes(first, second), laid.registration.uncertain)
    found = Evidence(
        (first, second),
        laid,
        differences(laid),
        sharpness(laid),
        noise(laid),
        lies if whole else Placement.OTHER,
        1.0,
        (
            _around(first, second, np.asarray(np.linalg.inv(laid.to_second), dtype=np.float64)),
            _around(second, first, laid.to_second),
        ),
    )
    if not whole:
        return found
    return replace(found, own=_own_detail(found.density, first.pixels, second.pixels, laid.to_second))


def look_closer(found: Evidence, files: tuple[PhotoFile, PhotoFile], *, mirrored: bool) -> Evidence:
    """Measure one place in full size, where the pictures at hand are smaller than their files'.

    The first picture is the mirror image of its file's if `mirrored`. Raises PhotoError where one cannot be decoded.
    """
    close = close_up(files, found.pictures, found.laid, mirrored=mirrored)
    if close is None or close.laid.residual > _UNLIKE or not close.laid.shared.any():
        return found
    sizes = _sizes(*found.pictures)
    return replace(
        found,
        sharp=sharpness(close.laid),
        noise=noise(close.laid),
        placement=placement(close.to_second, close.place, *sizes, close.laid.registration.uncertain),
        own=_own_detail(found.density, *close.pixels, close.laid.to_second),
    )


def conclude(found: Evidence, *, one_shot: bool, in_doubt: bool) -> Judgement:
    """Judge by what was measured.

    `one_shot`: the files prove that they come from one exposure. `in_doubt`: they leave it open, so that only the
    pixels can prove it.
    """
    one_exposure = one_shot or _is_one_exposure(found)
    kind, why = _kind(found, one_shot=one_shot, one_exposure=one_exposure, in_doubt=in_doubt)
    first_lacks, second_lacks = _lacks(found)
    laid = found.laid
    return Judgement(
        kind,
        float(np.sqrt(max(0.0, 1 - laid.residual**2))),
        why,
        first_lacks,
        second_lacks,
        _places(found) if why else (),
        min(laid.first_covered, laid.second_covered),
    )


def may_be_near(found: Evidence) -> bool:
    """Whether nothing that was measured so far keeps one of the pictures from standing for the other."""
    kind, _ = _kind(found, one_shot=True, one_exposure=True, in_doubt=False)
    return kind == "near"


def _is_one_exposure(found: Evidence) -> bool:
    """Whether the pixels prove it: the same noise, or pixel upon pixel, which no camera repeats."""
    return found.noise.is_related or (found.placement is Placement.EXACT and not found.noise.is_unrelated)


def _kind(found: Evidence, *, one_shot: bool, one_exposure: bool, in_doubt: bool) -> tuple[str, str]:
    """The kind, and why it is not near."""
    differs, laid, limit = found.differs, found.laid, found.limit
    if Around.FRAME in found.around:
        return "altered", "one has a frame around it"
    if not any(found.covered):
        shared = f"{min(_shares(laid)):.0%}".replace("%", " %")
        return "overlap", f"each shows parts that the other lacks: {shared} is shared"
    if found.sharp.exchanged > _REFOCUSED:
        return "same-scene", "each is sharper than the other somewhere: the focus differs"
    if differs.largest >= limit:
        return ("altered" if one_exposure else "same-scene"), _where(found)
    if one_shot:
        return "near", ""
    if max(differs.first_clipped, differs.second_clipped) >= limit and not one_exposure:
        return "same-scene", "exposed differently: lights or shadows are cut off in one of them"
    if found.placement is Placement.SHIFTED:
        return "same-scene", "shifted by a fraction of a pixel: two exposures"
    if found.noise.is_unrelated:
        return "same-scene", "each has noise of its own: two exposures"
    if in_doubt and not one_exposure:
        return "same-scene", "taken within one second, and nothing proves that they are one exposure"
    return "near", ""


def _sizes(first: Picture, second: Picture) -> tuple[Size, Size]:
    return (first.width, first.height), (second.width, second.height)


def _own_detail(density: float, first: Pixels, second: Pixels, to_second: Transform) -> float:
    if density > _DENSER:
        return own_detail(second, first, np.asarray(np.linalg.inv(to_second), dtype=np.float64))
    return own_detail(first, second, to_second) if density < 1 / _DENSER else 1.0


def _around(outer: Picture, inner: Picture, to_outer: Transform) -> Around:
    """What the outer picture shows around the inner one."""
    height, width = outer.pixels.shape[:2]
    whole = np.ones(inner.pixels.shape[:2], np.uint8)
    inside = cv2.warpAffine(whole, to_outer[:2], (width, height), flags=cv2.INTER_NEAREST)
    inside = cv2.dilate(inside, np.ones((5, 5), np.uint8))
    around = outer.pixels[inside == 0]
    if len(around) < _FRAME * inside.size:
        return Around.NOTHING
    colour = np.median(around, axis=0)
    rim = outer.pixels[(cv2.erode(inside, np.ones((15, 15), np.uint8), borderValue=0) == 0) & (inside == 1)]
    if len(rim) and _of_colour(rim, colour) > _GOES_ON:  # a sky that goes on
        return Around.MORE
    plain = _of_colour(around, colour)
    return Around.BORDER if plain > _BARE else Around.FRAME if plain > _PLAIN else Around.MORE


def _of_colour(pixels: Pixels, colour: NDArray[np.float64]) -> float:
    """Share of pixels (n, 3) that are of a colour, nearly."""
    return float((np.abs(pixels - colour).max(axis=1) <= _ONE_COLOUR).mean())


def _shares(laid: Overlay) -> tuple[float, float]:
    return laid.first_covered, laid.second_covered


def _where(found: Evidence) -> str:
    """Where the largest difference lies, and how much of the frame differs."""
    height, width = found.laid.shared.shape
    x, y, wide, high = max(found.differs.boxes, key=lambda box: box[2] * box[3], default=(0, 0, width, height))
    area = sum((found.differs.first_total, found.differs.second_total)) * (found.laid.side / 100) ** 2
    share = min(1.0, max(area, wide * high) / (width * height))
    across, down = round(100 * (x + wide / 2) / width), round(100 * (y + high / 2) / height)
    return f"differs at {across} %, {down} %: {max(share * 100, 0.1):.2g} % of the frame"


def _lacks(found: Evidence) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What would be lost if only the first stayed, and if only the second did."""
    laid, differs = found.laid, found.differs
    lacks = [*_lacking_detail(found)]
    for place, lost in ((0, 1), (1, 0)):
        if not found.covered[lost]:
            framed = found.around[lost] is Around.FRAME
            lacks.append((place, "the frame around it" if framed else _part(_shares(laid)[lost])))
        if found.around[place] is Around.BORDER:
            lacks.append((place, "the picture without a border"))
    colour = [_colourfulness(picture, laid) for picture in laid.colours]
    for own, other, place in ((colour[0], colour[1], 0), (colour[1], colour[0], 1)):
        if own < _COLOURLESS and other > max(_COLOURED, 3 * own):
            lacks.append((place, "colour"))
    for clipped, place in ((differs.first_clipped, 0), (differs.second_clipped, 1)):
        if clipped >= found.limit:
            lacks.append((place, "lights or shadows"))
    return tuple(what for place, what in lacks if place == 0), tuple(what for place, what in lacks if place == 1)


def _lacking_detail(found: Evidence) -> Iterator[tuple[int, str]]:
    """What the first (0) and the second (1) lack in detail: sharpness, then pixels, then what compression took."""
    sharp, measured, density = found.sharp, found.noise, found.density
    alike = abs(sharp.typical) < _SOFTER / 2  # sharpening is not the same in every place, and makes more of noise
    softer = (
        (sharp.typical > _SOFTER and sharp.lost > _LOST) or (alike and sharp.higher > _SOFTER_PLACES),
        (sharp.typical < -_SOFTER and sharp.lost > _LOST) or (alike and sharp.lower > _SOFTER_PLACES),
    )
    if softer[0]:
        yield 0, "sharpness"
    if softer[1]:
        yield 1, "sharpness"
    if density > _DENSER or density < 1 / _DENSER:
        more, fewer = (1, 0) if density > 1 else (0, 1)
        if not softer[more]:
            yield fewer, _pixels(found.pictures[fewer], found.pictures[more])
        if found.own < _BLOWN_UP:  # or a soft photo in its own size: nobody can tell, so both are to stay
            yield more, "detail in its size, as if it was blown up"
    low, high = sorted((measured.first, measured.second))
    if alike and high > _NOISY and low < _COMPRESSED * high and 1 / _DENSER < density < _DENSER:
        yield (0 if measured.first < measured.second else 1), "fine structure, by compression"


def _part(covered: float) -> str:
    return f"{max(0.02, 1 - covered):.0%} of the frame".replace("%", " %")


def _pixels(fewer: Picture, more: Picture) -> str:
    return f"resolution ({fewer.width} x {fewer.height} of {more.width} x {more.height} pixels)"


def _colourfulness(picture: Pixels, laid: Overlay) -> float:
    """How far the colours are from grey, or from the one tint of a toned picture, in levels."""
    some = cv2.cvtColor(np.ascontiguousarray(picture[::4, ::4]), cv2.COLOR_RGB2YCrCb)[laid.shared[::4, ::4] > 0]
    if not len(some):
        return 0.0
    values = some.astype(np.float64)
    # A tint is a function of brightness alone: what brightness explains is no colour.
    bright = np.stack([np.ones(len(values)), values[:, 0], values[:, 0] ** 2 / 255], axis=1)
    factors, *_ = np.linalg.lstsq(bright, values[:, 1:], rcond=None)
    return float(np.mean(np.abs(values[:, 1:] - bright @ factors)))


def _places(found: Evidence) -> tuple[Place, ...]:
    """The boxes in thousandths of the first's frame."""
    height, width = found.pictures[0].pixels.shape[:2]
    places = []
    for x, y, wide, high in found.differs.boxes:
        corners = np.array([(x, y, 1), (x + wide, y, 1), (x, y + high, 1), (x + wide, y + high, 1)], float).T
        there = (found.laid.to_first @ corners)[:2].T
        low = np.clip(there.min(axis=0) / (width, height), 0, 1) * 1000
        high_ = np.clip(there.max(axis=0) / (width, height), 0, 1) * 1000
        left, top = (int(value) for value in np.floor(low))
        right, bottom = (int(value) for value in np.ceil(high_))
        places.append((left, top, max(1, right - left), max(1, bottom - top)))
    return tuple(places)
