"""Which number a camera gave a photo, as far as its file name still tells."""

import re
from dataclasses import dataclass
from pathlib import PurePath

# DCF (JEITA CP-3461): four free characters, then four digits. Cameras write capitals.
_DCF = re.compile(r"(?P<family>(?=[A-Z0-9_]{0,3}[A-Z_])[A-Z0-9_]{4})(?P<number>\d{4})(?P<rest>.*)", re.DOTALL)
# The usual ones in whatever letters, with more digits once a phone has counted beyond 9999.
_USUAL = re.compile(
    r"(?P<family>IMG_E?|_MG_|DSC_|_DSC|DSCF|_DSF|DSCN|DSC|IMGP|_IGP|GOPR|DJI_|SAM_|PICT|IMAG|MVIMG_|DCIM)"
    r"(?P<number>\d{4,6})(?P<rest>.*)",
    re.DOTALL | re.IGNORECASE,
)
# Phones name photos by date and time, some down to the millisecond.
_TIMED = re.compile(
    r"(?P<family>(?:PXL_|IMG[_-]|MVIMG_|DSC_|DJI_|WP_|Screenshot_)?)(?P<number>(?:19|20)\d{6}[_-]?\d{6}(?:\d{3})?)(?!\d)"
    r"(?P<rest>.*)",
    re.DOTALL | re.IGNORECASE,
)
_WHATSAPP = re.compile(r"IMG-(?P<number>(?:19|20)\d{6}-WA\d{4})(?!\d)(?P<rest>.*)", re.DOTALL | re.IGNORECASE)
_BURST = re.compile(r"_(?:BURST|0)(?P<index>\d+)", re.IGNORECASE)
# Frames merged into one are named after the first of them: "IMG_1234-HDR", "IMG_1234_5_6", "IMG_1234-1240 pano".
_MERGED = re.compile(r"hdr|pano|stack|merge|fused|^[_-]\d{1,6}[_-]\d|^-\d{4,}", re.IGNORECASE)
# With Adobe RGB, cameras move the underscore to the front; edits on an iPhone are "IMG_E1234".
_ALIASES = {"_MG_": "IMG_", "IMG_E": "IMG_", "_DSC": "DSC_", "_DSF": "DSCF", "_IGP": "IMGP"}
_MILLISECONDS = 17  # digits of a date and time down to the millisecond


@dataclass(frozen=True, slots=True)
class FileNumber:
    """A number by which a camera names its photos."""

    family: str  # what stands before the number, in capitals: "IMG_"
    number: int
    by_clock: bool = False  # the number is the second of the shot: other shots may have the same


def file_number(name: str) -> FileNumber | None:
    """The number in a file's name, whatever copying and editing added to it; None where no camera gave that name."""
    stem = PurePath(name).stem
    match = _WHATSAPP.fullmatch(stem)
    if match:
        return _named("WHATSAPP", re.sub(r"\D", "", match["number"]), match["rest"])
    match = _TIMED.fullmatch(stem)
    if match:
        digits = re.sub(r"\D", "", match["number"])
        if burst := _BURST.match(match["rest"]):
            return _named("BURST", digits + burst["index"].zfill(4), match["rest"][burst.end() :])
        family = match["family"].upper().replace("-", "_").replace("MVIMG_", "IMG_")
        return _named(family, digits, match["rest"], by_clock=len(digits) < _MILLISECONDS)
    match = _USUAL.fullmatch(stem) or _DCF.fullmatch(stem)
    if match:
        return _named(match["family"].upper(), match["number"], match["rest"])
    return None


def _named(family: str, digits: str, rest: str, *, by_clock: bool = False) -> FileNumber | None:
    if rest[:1].isalnum() or _MERGED.search(rest):
        return None
    return FileNumber(_ALIASES.get(family, family), int(digits), by_clock)
