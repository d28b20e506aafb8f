"""Camera RAW files through LibRaw: size, orientation, preview and development; `decode` chooses among them."""

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.decode.quiet import hushed_libraw
from retrieval.errors import PhotoError

if TYPE_CHECKING:
    import rawpy

# Of LibRaw's flip, whose bits say: 1 mirrored left to right, 2 top to bottom, 4 transposed.
_EXIF_ORIENTATION = (1, 2, 4, 3, 5, 8, 6, 7)


class RawPhoto:
    """An opened RAW file."""

    def __init__(self, opened: "rawpy.RawPy") -> None:
        self._opened = opened
        sizes = opened.sizes  # read now: development overwrites it
        self.orientation = _EXIF_ORIENTATION[sizes.flip & 7]  # as EXIF counts, 1 to 8
        turned = self.orientation >= 5
        self.size = (sizes.height, sizes.width) if turned else (sizes.width, sizes.height)  # upright width, height
        self.sensor_size = (sizes.raw_width, sizes.raw_height)  # with the margins that are cut away

    def preview(self) -> bytes | NDArray[np.uint8] | None:
        """The largest preview as stored: a JPEG file or (height, width, 3) pixels; None where there is none."""
        import rawpy

        try:
            with hushed_libraw():
                thumbnail = self._opened.extract_thumb()
        except (rawpy.LibRawError, NotImplementedError):
            return None
        if isinstance(thumbnail.data, bytes):
            return thumbnail.data
        return _eight_bit_rgb(thumbnail.data)

    def sensor_values(self) -> NDArray[np.generic]:
        """What the sensor saw: (height, width) or, of sensors that measure every colour, (height, width, channels).

        The array lends LibRaw's memory: it is gone once the file is closed. Raises PhotoError.
        """
        with _translated(), hushed_libraw():
            values: NDArray[np.generic] = self._opened.raw_image
        return values

    def develop(self) -> NDArray[np.uint8]:
        """Half-size upright sRGB pixels, (height, width, 3), in the camera's white balance; raise PhotoError.

        LibRaw's automatic brightness stays off: it stretches each photo by its own histogram, so that the
        frames of a burst would differ and night would turn to day.
        """
        with _translated(), hushed_libraw():
            developed = self._opened.postprocess(half_size=True, use_camera_wb=True, no_auto_bright=True)
        return _eight_bit_rgb(developed)


@contextlib.contextmanager
def open_raw(data: bytes) -> Iterator[RawPhoto]:
    """Open a RAW file's bytes; raise PhotoError where LibRaw does not know them."""
    import rawpy  # a tenth of a second that only owners of RAW files pay

    opened = rawpy.RawPy()
    try:
        with _translated():
            opened.open_buffer(io.BytesIO(data))
        yield RawPhoto(opened)
    finally:
        opened.close()


def _eight_bit_rgb(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    eight_bits = (pixels.astype(np.uint16) >> 8 if pixels.dtype.itemsize > 1 else pixels).astype(np.uint8)
    return np.repeat(eight_bits, 3, axis=2) if eight_bits.shape[2] == 1 else eight_bits[:, :, :3]


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """LibRaw's errors as PhotoError, the only place where they are met."""
    import rawpy

    try:
        yield
    except rawpy.LibRawFileUnsupportedError as error:
        version = ".".join(map(str, rawpy.libraw_version))
        causes = "its camera or compression may be too new, or the file is damaged; a DNG converter may help"
        raise PhotoError("unsupported", f"LibRaw {version} cannot read it: {causes}") from error
    except rawpy.LibRawIOError as error:
        raise PhotoError("truncated", "the RAW file is cut off inside the sensor's data") from error
    except (rawpy.LibRawUnsufficientMemoryError, rawpy.LibRawTooBigError) as error:
        raise PhotoError("too-large", "LibRaw has not enough memory to develop it") from error
    except rawpy.LibRawError as error:
        raise PhotoError("damaged", f"LibRaw gave up ({_message(error)}); restore it from a backup") from error


def _message(error: Exception) -> str:
    argument = error.args[0] if error.args else ""
    return argument.decode("ascii", "replace") if isinstance(argument, bytes) else str(argument)
