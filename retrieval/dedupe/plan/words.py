"""Numbers as people say them: bytes, pixels, times of files."""

from datetime import UTC, datetime, timedelta

from retrieval.dedupe.plan.records import PlannedFile

_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def size(bytes_: int) -> str:
    """Say how many bytes, in powers of 1000 as disks are sold: "999 bytes", "1.2 GB", "38 GB"."""
    if abs(bytes_) < 1000:
        return f"{bytes_} byte{'' if bytes_ == 1 else 's'}"
    power = 1
    while abs(bytes_) >= 999.5 * 1000**power and power < len(_UNITS):
        power += 1
    number = bytes_ / 1000**power
    return f"{number:.1f} {_UNITS[power - 1]}" if abs(number) < 9.95 else f"{number:.0f} {_UNITS[power - 1]}"


def count(number: int, noun: str) -> str:
    """Say how many: "1 file", "12,000 files"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def megapixels(pixels: int) -> str:
    """Say how many pixels, in millions; 0 is not known."""
    return f"{pixels / 1e6:.1f} megapixels" if pixels else "unknown"


def pixels(file: PlannedFile) -> int:
    """Count a file's pixels; 0 where they are not known."""
    return (file.width or 0) * (file.height or 0)


def changed(file: PlannedFile) -> datetime:
    """When a file was last changed, in UTC: the same words on every machine."""
    return _EPOCH + timedelta(microseconds=file.mtime_ns // 1000)
