"""Keeps the decoding libraries silent: what matters in their chatter reaches callers as PhotoError."""

import contextlib
import ctypes
import functools
import logging
import os
import re
import tempfile
import threading
import warnings
from collections.abc import Iterator

from PIL import _imaging

_PILLOW = "PIL"
_STDERR = 2
_stderr_lock = threading.Lock()
# What LibRaw itself says of broken files read from memory, and libjpeg inside it of broken previews.
_LIBRAW_CHATTER = re.compile(
    rb"^(unknown file: (Unexpected end of file|data corrupted at -?\d+)"
    rb"|Corrupt JPEG data: [^\n]*|Premature end of JPEG file)\r?\n",
    re.MULTILINE,
)


def hush_pillow() -> None:
    """Silence Pillow's warnings, its log without a listener, and libtiff. Cheap: call it before each decode.

    `warnings.catch_warnings` would swap a list that all threads share, so two decoding threads would leave
    each other's filters behind. One filter, for Pillow's own modules alone, is put back in front whenever it
    is missing there (tests and applications reset the list).
    """
    _hush_log_and_libtiff()
    first = warnings.filters[0] if warnings.filters else None
    if first is None or first[0] != "ignore" or getattr(first[3], "pattern", None) != _PILLOW:
        warnings.filterwarnings("ignore", module=_PILLOW)


@functools.cache
def _hush_log_and_libtiff() -> None:
    # Without any handler, Python prints errors of a library's log to stderr.
    logging.getLogger(_PILLOW).addHandler(logging.NullHandler())
    # libtiff prints its errors by itself and has one switch for the process. Where Pillow was linked
    # statically (Windows), the switch cannot be reached, and the lines stay.
    with contextlib.suppress(OSError, AttributeError):
        switch = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
        switch.argtypes, switch.restype = [ctypes.c_void_p], ctypes.c_void_p
        switch(None)


@contextlib.contextmanager
def hushed_libraw() -> Iterator[None]:
    """Drop the lines that LibRaw prints to stderr about broken files; those of others arrive afterwards.

    rawpy does not pass on LibRaw's own switch, so the descriptor of the whole process is diverted, by one thread
    at a time and briefly. It belongs around previews and developing; opening prints nothing.
    """
    with _stderr_lock, tempfile.TemporaryFile() as diverted:
        try:
            original = os.dup(_STDERR)
        except OSError:  # a process without stderr
            yield
            return
        os.dup2(diverted.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(original, _STDERR)
            diverted.seek(0)
            with contextlib.suppress(OSError):
                os.write(original, _LIBRAW_CHATTER.sub(b"", diverted.read()))
            os.close(original)
