"""What a photo file says of the shot it shows: when, with which camera and settings, and under which number.

Only headers are read, never pixels; broken metadata never fails a photo. Whether two files come from one shot is judged
elsewhere. White balance, sharpness and the like are no facts of a shot: development changes them.
"""

import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from PIL.ExifTags import GPS, IFD, Base

from retrieval.decode.containers import Metadata, read_metadata
from retrieval.decode.exif import camera_name, clean_text, degrees, parse_time
from retrieval.decode.file_numbers import FileNumber, file_number
from retrieval.decode.maker_notes import MakerFacts, read_canon, read_maker_note
from retrieval.decode.signatures import is_raw
from retrieval.decode.tiff_directory import EMPTY, Directory

_DNG_SERIAL = 0xC62F
_ISO_OVERFLOW = 65535  # the tag has 16 bits; what is beyond stands in another
_INFINITY = 0xFFFFFFFF  # numerator of a focus distance
_LONGEST_EXPOSURE_S, _MAX_ISO, _MAX_BIAS_EV = 86_400, 100_000_000, 20
_UNIQUE_ID = re.compile(r"[0-9a-fA-F]{32}")  # as EXIF defines it; some phones write the name of their sensor there
_EDITORS = re.compile(
    r"adobe|photoshop|lightroom|gimp|capture one|snapseed|picasa|darktable|rawtherapee|acdsee|affinity|luminar|"
    r"paint|photos|photo ?editor|imagemagick|digikam|photolab|optics ?pro|dxo|topaz|irfanview|xnview|faststone|"
    r"gthumb|shotwell|pixelmator|vsco|capture nx|nx studio|digital photo professional|silkypix|aperture|iphoto|"
    r"corel|zoner|on1|exposure x|hugin|ptgui|autopano|photomatix|aurora hdr|helicon|zerene|canva|facetune|picsart|"
    r"google|windows|skylum|photoscape|polarr|krita|inkscape|image data converter|imaging edge|viewnx",
    re.IGNORECASE,
)
_XMP_FIELD = r"(?:^|[\s<]){name}(?:>|\s*=\s*[\"'])\s*([^<\"']{{1,200}})"
_XMP_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?")


@dataclass(frozen=True, slots=True)
class ShotFacts:
    """What a file says of its shot; None and empty where it says nothing, or nothing sensible."""

    is_raw: bool = False  # a camera RAW file
    camera: str | None = None  # maker and model, each once
    model: str | None = None  # lower case letters and digits of the model alone, to compare by
    serial: str | None = None  # of the body, without leading zeros
    maker_serial: str | None = None  # the one in the maker note, which may be another than that on the body
    lens: str | None = None
    # The moment of exposure, with the fraction of its second as far as known; aware where the UTC offset is known.
    taken_at: datetime | None = None
    exposure_s: float | None = None
    f_number: float | None = None
    iso: float | None = None
    bias_ev: float | None = None
    focal_length_mm: float | None = None
    focus_m: float | None = None  # infinite where the camera says so
    maker_focus_m: float | None = None  # the same by the maker note; old compact cameras use another unit there
    flash: bool | None = None  # whether it fired
    latitude: float | None = None  # degrees, WGS 84
    longitude: float | None = None
    identifiers: frozenset[tuple[str, str]] = frozenset()  # kind and value of what names one exposure
    counters: frozenset[tuple[str, int]] = frozenset()  # kind and value of what the camera counts from shot to shot
    file_number: FileNumber | None = None  # the number in the file's name
    software: str | None = None  # what wrote the file: the camera's firmware, or an editor
    modified_at: datetime | None = None  # when an editor or the camera wrote the file
    edited: bool = False  # written by an editor, not straight from the camera


def read_shot_facts(data: bytes, name: str) -> ShotFacts:
    """The facts of the shot in a photo's bytes; `name` is the file's, of which the suffix and the number count.

    JPEG, PNG, TIFF, WebP, PSD, JPEG 2000, HEIC, AVIF and RAW are read. Never raises, whatever the bytes are.
    """
    metadata = read_metadata(data)
    main, exif, gps, maker = _directories(metadata)
    xmp = _Xmp(metadata.xmp.decode("utf-8", "replace"))
    make, model = clean_text(main.raw(Base.Make)), clean_text(main.raw(Base.Model))
    software = clean_text(main.raw(Base.Software)) or xmp.text("xmp:CreatorTool") or None
    edited = bool(software and _EDITORS.search(software)) or xmp.is_edited
    latitude, longitude = _position(gps)
    return ShotFacts(
        is_raw=is_raw(data, PurePath(name).suffix.lower()),
        camera=camera_name(make, model),
        model=_comparable(make, model),
        serial=_serial(clean_text(exif.raw(Base.BodySerialNumber)))
        or _serial(clean_text(main.raw(_DNG_SERIAL)))
        or _serial(xmp.text("aux:SerialNumber")),
        maker_serial=_serial(maker.serial or ""),
        lens=clean_text(exif.raw(Base.LensModel)) or xmp.text("aux:Lens") or None,
        taken_at=_taken_at(main, exif, xmp, straight=bool(model) and not edited),
        exposure_s=_positive(exif.number(Base.ExposureTime), _LONGEST_EXPOSURE_S),
        f_number=_positive(exif.number(Base.FNumber), 1000),
        iso=_iso(exif),
        bias_ev=_within(exif.number(Base.ExposureBiasValue), _MAX_BIAS_EV),
        focal_length_mm=_positive(exif.number(Base.FocalLength), 100_000),
        focus_m=_focus(exif),
        maker_focus_m=maker.focus_m,
        flash=_flash(exif),
        latitude=latitude,
        longitude=longitude,
        identifiers=maker.identifiers | _unique_id(clean_text(exif.raw(Base.ImageUniqueID))),
        counters=maker.counters | _counted_by_adobe(maker, make, xmp),
        file_number=file_number(name) or file_number(xmp.text("crs:RawFileName")),
        software=software,
        modified_at=_time_of(main, exif, Base.DateTime, Base.SubsecTime, Base.OffsetTime),
        edited=edited,
    )


class _Xmp:
    """The few properties that matter of an XMP packet, which may be attributes or elements."""

    def __init__(self, packet: str) -> None:
        self._packet = packet

    @property
    def is_edited(self) -> bool:
        """Whether an editor has left its settings or its history."""
        return any(mark in self._packet for mark in ("crs:AlreadyApplied", "xmpMM:History", "crs:HasSettings"))

    def text(self, name: str) -> str:
        match = re.search(_XMP_FIELD.format(name=re.escape(name)), self._packet)
        return clean_text(match[1].encode()) if match else ""

    def time(self, name: str) -> datetime | None:
        match = _XMP_TIME.match(self.text(name))
        return parse_time(match[1], match[2] or "", match[3] or "") if match else None


def _directories(metadata: Metadata) -> tuple[Directory, Directory, Directory, MakerFacts]:
    """The main directory, that of EXIF, that of GPS and the maker's facts."""
    if len(metadata.exif) == 4:  # CR3 keeps each in a block of its own
        main, exif, maker, gps = metadata.exif
        return main, exif, gps, read_canon(maker)
    main = metadata.exif[0] if metadata.exif else EMPTY
    exif = main.inside(IFD.Exif)
    return main, exif, main.inside(IFD.GPSInfo), read_maker_note(exif, clean_text(main.raw(Base.Make)))


def _comparable(make: str, model: str) -> str | None:
    """The model without the maker in front of it, which some programs add and others drop."""
    letters = re.sub(r"[^a-z0-9]", "", model.lower())
    maker = re.sub(r"[^a-z0-9]", "", (make.split() or [""])[0].lower())
    return (letters.removeprefix(maker) or letters) or None


def _serial(text: str) -> str | None:
    """A serial number without leading zeros and blanks; None for one that is all zeros."""
    return "".join(text.split()).lstrip("0").upper() or None


def _taken_at(main: Directory, exif: Directory, xmp: _Xmp, *, straight: bool) -> datetime | None:
    """The moment of exposure.

    The file's own date is that of the last change, so it counts only in a file straight from a camera. XMP's date of
    creation is the document's, not the shot's, so it does not count at all.
    """
    original = _time_of(exif, exif, Base.DateTimeOriginal, Base.SubsecTimeOriginal, Base.OffsetTimeOriginal)
    original = original or _time_of(main, main, Base.DateTimeOriginal, Base.SubsecTimeOriginal, Base.OffsetTimeOriginal)
    original = original or xmp.time("exif:DateTimeOriginal") or xmp.time("photoshop:DateCreated")
    if original is not None or not straight:
        return original
    digitized = _time_of(exif, exif, Base.DateTimeDigitized, Base.SubsecTimeDigitized, Base.OffsetTimeDigitized)
    return digitized or _time_of(main, exif, Base.DateTime, Base.SubsecTime, Base.OffsetTime)


def _time_of(directory: Directory, exif: Directory, date: int, fraction: int, offset: int) -> datetime | None:
    parts = (directory.raw(date), exif.raw(fraction), exif.raw(offset))
    return parse_time(*(clean_text(part) for part in parts))


def _positive(value: float | None, limit: float) -> float | None:
    return float(value) if value is not None and 0 < value <= limit else None


def _within(value: float | None, limit: float) -> float | None:
    return float(value) if value is not None and abs(value) <= limit else None


def _iso(exif: Directory) -> float | None:
    for tag in (Base.ISOSpeedRatings, Base.RecommendedExposureIndex, Base.StandardOutputSensitivity, Base.ISOSpeed):
        value = _positive(exif.number(tag), _MAX_ISO)
        if value is not None and value != _ISO_OVERFLOW:
            return value
    return None


def _focus(exif: Directory) -> float | None:
    """The distance to the subject in metres; 0 means unknown."""
    if exif.raw(Base.SubjectDistance)[:4] == _INFINITY.to_bytes(4, "big"):
        return math.inf
    return _positive(exif.number(Base.SubjectDistance), 1_000_000)


def _flash(exif: Directory) -> bool | None:
    value = exif.integer(Base.Flash)
    return bool(value & 1) if value is not None else None


def _position(gps: Directory) -> tuple[float, float] | tuple[None, None]:
    """Latitude and longitude in degrees, both or neither; 0, 0 is what receivers write before they have a fix."""
    latitude = degrees(gps.numbers(GPS.GPSLatitude), clean_text(gps.raw(GPS.GPSLatitudeRef)), "NS", 90)
    longitude = degrees(gps.numbers(GPS.GPSLongitude), clean_text(gps.raw(GPS.GPSLongitudeRef)), "EW", 180)
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None, None
    return latitude, longitude


def _unique_id(text: str) -> frozenset[tuple[str, str]]:
    """EXIF's id of the image, if it is one: not zeros, and not one letter throughout."""
    if not _UNIQUE_ID.fullmatch(text) or len(set(text)) < 3:
        return frozenset()
    return frozenset({("image id", text.lower())})


def _counted_by_adobe(maker: MakerFacts, make: str, xmp: _Xmp) -> frozenset[tuple[str, int]]:
    """Nikon's shutter count, which Adobe's programs copy to XMP when they drop the maker note."""
    number = xmp.text("aux:ImageNumber")
    if maker.counters or not make.lower().startswith("nikon") or not number.isdecimal() or int(number) == 0:
        return frozenset()
    return frozenset({("shutter count", int(number))})
