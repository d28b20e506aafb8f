"""One photo file that is being compared: its bytes, what it says of its shot, and its pixels at the size asked for."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from retrieval.archive.content import read_file
from retrieval.decode.holdings.read import read_holdings
from retrieval.decode.holdings.record import Holdings
from retrieval.decode.holdings.transparency import is_transparent
from retrieval.decode.photo import decode
from retrieval.decode.shot_facts import ShotFacts, read_shot_facts
from retrieval.dedupe.alike.overlay import Pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """Decoded pixels, upright, and how large the whole picture is."""

    pixels: Pixels
    width: int  # of the file's picture, upright
    height: int

    @property
    def is_whole(self) -> bool:
        """Whether the pixels at hand are all that there are."""
        return bool(self.width <= self.pixels.shape[1])


@dataclass(eq=False)
class PhotoFile:
    """A photo's bytes; everything else is read from them when it is first asked for."""

    data: bytes
    name: str
    _decoded: dict[int, Picture] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "PhotoFile":
        """Read a file; raise PhotoError where that fails."""
        return cls(read_file(path).data, path.name)

    @cached_property
    def facts(self) -> ShotFacts:
        """What the file says of its shot."""
        return read_shot_facts(self.data, self.name)

    @cached_property
    def holdings(self) -> Holdings:
        """What the file holds beyond one 8-bit picture."""
        found = read_holdings(self.data, self.name)
        return (
            replace(found, may_be_transparent=is_transparent(self.data, self.name))
            if found.may_be_transparent
            else found
        )

    def whole(self) -> Image.Image:
        """The whole picture, upright RGB; raise PhotoError where there is none. Nothing keeps it in memory."""
        return decode(self.data, name=self.name, allow_truncated=True).image

    def picture(self, side: int) -> Picture:
        """The pixels, upright RGB, with at most `side` on the longer side; raise PhotoError where there are none."""
        if side not in self._decoded:
            decoded = decode(self.data, name=self.name, at_least=(side, side), allow_truncated=True)
            self._decoded[side] = of_image(decoded.image, side, decoded.facts.width, decoded.facts.height)
        return self._decoded[side]


def of_image(image: Image.Image, side: int, width: int | None = None, height: int | None = None) -> Picture:
    """The same of an upright RGB image; `width` and `height` are of the whole picture, if that is larger."""
    whole = (width or image.width, height or image.height)
    if max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return Picture(np.ascontiguousarray(np.asarray(image.convert("RGB"))), *whole)
