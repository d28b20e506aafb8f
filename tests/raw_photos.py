"""Camera RAW files that tests make for themselves: uncompressed DNGs, small but valid.

Layout by the DNG specification 1.4: one TIFF directory with the sensor's data, or a preview in the first directory
and the sensor's data in a sub-directory.
"""

import io
import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Values = str | tuple[int, ...] | tuple[tuple[int, int], ...]
Directory = dict[int, tuple[str, Values]]

_TYPES = {
    "byte": (1, "B"),
    "text": (2, ""),
    "short": (3, "H"),
    "long": (4, "I"),
    "ratio": (5, "II"),
    "signed": (10, "ii"),
}
# XYZ (D65) to linear sRGB: a camera with these primaries needs no colour correction.
_XYZ_TO_SRGB = ((3.2405, -1.5371, -0.4985), (-0.9693, 1.8760, 0.0416), (0.0556, -0.2040, 1.0572))
_WHITE = 16383  # 14 bits


@dataclass
class Layout:
    """A little-endian TIFF file in the making."""

    body: bytearray = field(default_factory=bytearray)

    def add(self, data: bytes) -> int:
        """Append data at an even offset of the file, and return that."""
        self.body += b"\0" * (len(self.body) % 2)
        self.body += data
        return 8 + len(self.body) - len(data)

    def directory(self, tags: Directory) -> int:
        entries = b""
        for tag, (kind, values) in sorted(tags.items()):
            number, code = _TYPES[kind]
            packed = values.encode() + b"\0" if isinstance(values, str) else _packed(code, values)
            count = len(packed) if isinstance(values, str) else len(values)
            inline = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", self.add(packed))
            entries += struct.pack("<HHI", tag, number, count) + inline
        return self.add(struct.pack("<H", len(tags)) + entries + bytes(4))

    def file(self, first_directory: int) -> bytes:
        return b"II*\0" + struct.pack("<I", first_directory) + bytes(self.body)


def _packed(code: str, values: tuple[int, ...] | tuple[tuple[int, int], ...]) -> bytes:
    return b"".join(struct.pack(f"<{code}", *(value if isinstance(value, tuple) else (value,))) for value in values)


def dng(
    rgb: NDArray[np.uint8],
    *,
    orientation: int = 1,
    preview: bytes | None = None,
    exif: Directory | None = None,
    gps: Directory | None = None,
) -> bytes:
    """A DNG whose sensor saw `rgb` (even height and width, as stored, before turning), with an embedded JPEG."""
    layout = Layout()
    sensor = _sensor_directory(layout, rgb)
    main: Directory = {
        271: ("text", "Maker"),
        272: ("text", "Maker One"),
        274: ("short", (orientation,)),
        50706: ("byte", (1, 4, 0, 0)),
        50708: ("text", "Maker One"),
        50721: ("signed", tuple((round(1e4 * value), 10_000) for row in _XYZ_TO_SRGB for value in row)),
        50728: ("ratio", ((1, 1),) * 3),  # white is white
        50778: ("short", (21,)),  # calibrated for D65
    }
    if exif is not None:
        main[34665] = ("long", (layout.directory(exif),))
    if gps is not None:
        main[34853] = ("long", (layout.directory(gps),))
    if preview is None:
        main |= sensor
    else:
        main |= _preview_directory(layout, preview) | {330: ("long", (layout.directory(sensor),))}
    return layout.file(layout.directory(main))


def _sensor_directory(layout: Layout, rgb: NDArray[np.uint8]) -> Directory:
    height, width, _ = rgb.shape
    linear = (rgb / 255.0) ** 2.2
    mosaic = np.empty((height, width))
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):  # red, green / green, blue
        mosaic[row::2, column::2] = linear[row::2, column::2, channel]
    strip = (mosaic * _WHITE).astype("<u2").tobytes()
    return {
        254: ("long", (0,)),
        256: ("long", (width,)),
        257: ("long", (height,)),
        258: ("short", (16,)),
        259: ("short", (1,)),
        262: ("short", (32803,)),
        273: ("long", (layout.add(strip),)),
        277: ("short", (1,)),
        278: ("long", (height,)),
        279: ("long", (len(strip),)),
        284: ("short", (1,)),
        33421: ("short", (2, 2)),
        33422: ("byte", (0, 1, 1, 2)),
        50714: ("short", (0,)),
        50717: ("short", (_WHITE,)),
    }


def _preview_directory(layout: Layout, preview: bytes) -> Directory:
    with Image.open(io.BytesIO(preview)) as image:
        width, height = image.size
    return {
        254: ("long", (1,)),
        256: ("long", (width,)),
        257: ("long", (height,)),
        258: ("short", (8, 8, 8)),
        259: ("short", (7,)),
        262: ("short", (6,)),
        273: ("long", (layout.add(preview),)),
        277: ("short", (3,)),
        278: ("long", (height,)),
        279: ("long", (len(preview),)),
    }
