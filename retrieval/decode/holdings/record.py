"""What a photo file holds beyond one 8-bit picture: pages, depth, wide colours, video, maps; and its damage."""

from dataclasses import dataclass

from retrieval.decode.colour_spaces import SRGB, ColourSpace

VIDEO, AUDIO = "a video", "a sound recording"
DEPTH_MAP, GAIN_MAP, MATTE = "a depth map", "a gain map", "other auxiliary pictures"
EMBEDDED_RAW, LAYERS = "an embedded RAW", "layers"

CUT_OFF, INCOMPLETE = "cut off before the end of the picture", "parts of the picture are missing"


@dataclass(frozen=True, slots=True)
class Holdings:
    """The contents of one file, by its structure."""

    pages: int = 1  # pictures of their own: pages, frames, shots; previews and maps do not count
    is_animated: bool = False  # the pages are frames of an animation
    bits: int = 8  # of a channel
    may_be_transparent: bool = False  # has an alpha channel or a transparent colour, used or not
    is_grey: bool = False  # stored as grey; a picture stored as RGB may be grey all the same
    colours: ColourSpace = SRGB
    is_lossless: bool = False  # the container keeps every bit, whatever was put into it
    is_raw: bool = False
    extras: frozenset[str] = frozenset()  # in words: VIDEO, DEPTH_MAP, ...
    damage: str | None = None  # in words, where the structure shows that a part is missing
    unknown_bytes: int = (
        0  # behind the picture, of no structure known here: often what the memory of a camera held before
    )
