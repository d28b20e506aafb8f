"""When, where and with what a photo was taken, by its EXIF and, for the date, XMP; pixels are `decode`'s work.

Broken metadata never fails a photo: what makes no sense is left out.
"""

import io
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from retrieval.decode.signatures import boxes

_Directory = Mapping[int, Any]

FIRST_YEAR = 1826  # the oldest photograph: what claims to be older had a clock that was never set
FIRST_DIGITAL_YEAR = 1990
_TIME = re.compile(r"(\d{4})[:/.-](\d\d?)[:/.-](\d\d?)[ T](\d\d?):(\d\d)(?::(\d\d))?")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_XMP_TIME = re.compile(
    rb"(?:exif:DateTimeOriginal|photoshop:DateCreated|xmp:CreateDate)"
    rb"(?:>|=[\"'])\s*(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?"
)
# Date, fractions of its second and its offset, the moment of exposure first.
_TIMES = (
    (Base.DateTimeOriginal, Base.SubsecTimeOriginal, Base.OffsetTimeOriginal),
    (Base.DateTimeDigitized, Base.SubsecTimeDigitized, Base.OffsetTimeDigitized),
    (Base.DateTime, Base.SubsecTime, Base.OffsetTime),
)
_CANON_METADATA = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")


@dataclass(frozen=True, slots=True)
class Tags:
    """The part of `records.Facts` that comes from metadata; the meaning of each field stands there."""

    taken_at: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None
    camera: str | None = None
    lens: str | None = None


def read_exif(image: Image.Image) -> Image.Exif:
    """The photo's EXIF, empty where there is none or Pillow cannot read it. PNG loads its pixels for it."""
    try:
        return image.getexif()
    except Exception:  # noqa: BLE001 - Pillow's readers raise whatever broken bytes provoke
        return Image.Exif()


def orientation(exif: Image.Exif) -> int | None:
    """How the stored pixels lie, 1 to 8 as EXIF counts, 1 being upright; None where it says nothing sensible."""
    value = _value(exif, Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def read_tags(image: Image.Image) -> Tags:
    """The tags of an opened photo. Editors and scanners may leave the date in XMP alone."""
    exif = read_exif(image)
    tags = _tags(exif, _sub_directory(exif, IFD.Exif), _sub_directory(exif, IFD.GPSInfo))
    if tags.taken_at is not None:
        return tags
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "ignore")
    return replace(tags, taken_at=_xmp_time(packet)) if isinstance(packet, bytes) else tags


def read_raw_tags(data: bytes) -> Tags:
    """The tags of a camera RAW's own header: the TIFF-like ones, which are nearly all, and Canon's CR3."""
    if data[4:12] == b"ftypcrx ":
        return _tags(*(_tiff_directory(_canon_box(data, name)) for name in (b"CMT1", b"CMT2", b"CMT4")))
    exif = _tiff_directory(data)
    return _tags(exif, _sub_directory(exif, IFD.Exif), _sub_directory(exif, IFD.GPSInfo))


def complete(own: Tags, preview: Tags) -> Tags:
    """A RAW's tags with the gaps filled from its preview's, which LibRaw writes where the camera did not.

    Without a date LibRaw writes the start of 1970: no date there is older than digital cameras.
    """
    if preview.taken_at is not None and preview.taken_at.year < FIRST_DIGITAL_YEAR:
        preview = replace(preview, taken_at=None)
    gaps = {name: value for name, value in asdict(preview).items() if getattr(own, name) is None}
    return replace(own, **gaps)


def _tags(main: _Directory, exif: _Directory, gps: _Directory) -> Tags:
    latitude, longitude = _position(gps)
    return Tags(
        taken_at=_taken_at({**_plain(main), **_plain(exif)}),
        latitude=latitude,
        longitude=longitude,
        camera=camera_name(clean_text(_value(main, Base.Make)), clean_text(_value(main, Base.Model))),
        lens=clean_text(_value(exif, Base.LensModel)) or None,
    )


def _tiff_directory(data: bytes) -> Image.Exif:
    """The first directory of a TIFF-like header, whatever its magic number: makers have their own."""
    exif = Image.Exif()
    exif.endian = ">" if data[:2] == b"MM" else "<"
    if data[:2] in (b"II", b"MM"):
        try:
            (offset,) = struct.unpack_from(f"{exif.endian}I", data, 4)
            exif.load_from_fp(io.BytesIO(data), offset)
        except Exception:  # noqa: BLE001 - as above
            return Image.Exif()
    return exif


def _canon_box(data: bytes, name: bytes) -> bytes:
    """One of the small TIFF files in a CR3: CMT1 holds the main directory, CMT2 EXIF, CMT4 GPS."""
    for kind, start, stop in boxes(data, 0, len(data)):
        if kind == b"moov":
            for inner, at, end in boxes(data, start, min(stop, len(data))):
                if inner == b"uuid" and data[at : at + 16] == _CANON_METADATA:
                    found = {box: data[a:b] for box, a, b in boxes(data, at + 16, min(end, len(data)))}
                    return found.get(name, b"")
    return b""


def _sub_directory(exif: Image.Exif, tag: IFD) -> _Directory:
    try:
        return exif.get_ifd(tag)
    except Exception:  # noqa: BLE001 - as above
        return {}


def _value(directory: _Directory, tag: int) -> Any:
    try:
        return directory.get(tag)  # Pillow decodes a tag only now
    except Exception:  # noqa: BLE001 - as above
        return None


def _plain(directory: _Directory) -> dict[int, str]:
    """The text of the tags about time."""
    texts = {tag: clean_text(_value(directory, tag)) for group in _TIMES for tag in group}
    return {tag: text for tag, text in texts.items() if text}


def clean_text(value: object) -> str:
    """An EXIF string, which ends at the first NUL. Pillow reads it as Latin-1, many cameras write UTF-8."""
    if isinstance(value, str):
        value = value.encode("latin-1", "ignore")
    if not isinstance(value, bytes):
        return ""
    value = value.split(b"\0", 1)[0]
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def camera_name(make: str, model: str) -> str | None:
    """Maker and model, the maker once: "Canon" and "Canon EOS R5" are one camera's two tags."""
    if make and model and not model.lower().startswith(make.split()[0].lower()):
        return f"{make} {model}"
    return model or make or None


def _taken_at(texts: Mapping[int, str]) -> datetime | None:
    for date, fraction, offset in _TIMES:
        taken_at = parse_time(texts.get(date, ""), texts.get(fraction, ""), texts.get(offset, ""))
        if taken_at is not None:
            return taken_at
    return None


def parse_time(date: str, fraction: str, offset: str) -> datetime | None:
    """A date as EXIF writes it, or nearly; None for zeros, blanks and days that no calendar has."""
    match = _TIME.match(date)
    if match is None:
        return None
    numbers = [int(part or 0) for part in match.groups()]
    microsecond = int(fraction[:6].ljust(6, "0")) if fraction.isascii() and fraction.isdigit() else 0
    try:
        taken_at = datetime(*numbers, microsecond=microsecond, tzinfo=_zone(offset))  # type: ignore[arg-type,misc]
    except ValueError:
        return None
    return taken_at if taken_at.year >= FIRST_YEAR else None


def _zone(offset: str) -> timezone | None:
    match = _OFFSET.fullmatch(offset)
    if match is None:
        return UTC if offset == "Z" else None
    sign, hours, minutes = match.groups()
    distance = timedelta(hours=int(hours), minutes=int(minutes))
    if distance > timedelta(hours=14):  # no clock on Earth is further from UTC
        return None
    return timezone(-distance if sign == "-" else distance)


def _xmp_time(packet: bytes) -> datetime | None:
    match = _XMP_TIME.search(packet)
    if match is None:
        return None
    date, offset = (part.decode() if part else "" for part in match.groups())
    seconds, _, fraction = date.partition(".")
    return parse_time(seconds, fraction, offset)


def _position(gps: _Directory) -> tuple[float, float] | tuple[None, None]:
    """Latitude and longitude in degrees, both or neither; 0, 0 is what receivers write before they have a fix."""
    latitude = degrees(_value(gps, GPS.GPSLatitude), clean_text(_value(gps, GPS.GPSLatitudeRef)), "NS", 90)
    longitude = degrees(_value(gps, GPS.GPSLongitude), clean_text(_value(gps, GPS.GPSLongitudeRef)), "EW", 180)
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None, None
    return latitude, longitude


def degrees(parts: object, reference: str, directions: str, limit: int) -> float | None:
    """Degrees, minutes and seconds as one signed number; None without a direction, or for impossible numbers."""
    direction = reference[:1].upper()
    if not isinstance(parts, tuple) or not 1 <= len(parts) <= 3 or direction not in tuple(directions):
        return None
    try:
        degrees = math.fsum(float(part) / 60**power for power, part in enumerate(parts))
    except (TypeError, ValueError, ArithmeticError):
        return None
    if not math.isfinite(degrees) or not 0 <= degrees <= limit:  # a zero denominator becomes nan
        return None
    return -degrees if direction == directions[1] else degrees
