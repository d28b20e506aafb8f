"""Whether two photo files come from one press of the shutter, by what they say of it; no pixels are compared.

Facts that merely lack on one side speak neither for nor against. Edited copies keep the facts of their shot, so what
editors change (the file's date, software, file number, sometimes the camera's name) weighs less than what they leave.
"""

import math
from datetime import datetime, timedelta

from retrieval.decode.shot_facts import ShotFacts

# How far two records of one setting may lie apart: 1/249 s and 1/250 s, 0.03 s and 1/33 s, f/5.6 and f/5.66. The steps
# between settings of a camera are 12 % (aperture) and 26 % (time, ISO), those of a phone are caught by its clock.
_RATIO = 1.04
_FOCUS_RATIO = 1.1  # cameras tell distances in coarse steps, RAW converters round them
_BIAS_EV = 0.2  # steps are 1/3, written as 0.3, 0.33 or 33/100
_FAR_KM = 10.0  # beyond what rounding a position for privacy, or a bad fix, explains
_QUARTER_HOUR_S, _LONGEST_SHIFT_S = 900, 26 * 3600  # time zones differ by quarters of an hour, up to 26 hours
_DEGREE_KM = 111.2
_SURE_COUNTERS = frozenset(("shutter count",))  # others reset, or count files instead of shots
_WRITING_COUNTERS = frozenset(("time since power-on", "image count"))  # a RAW and its JPEG may be two steps
_TIMES = (("day", 86_400.0), ("hour", 3600.0), ("minute", 60.0))


def contradiction(first: ShotFacts, second: ShotFacts) -> str | None:
    """Why two files cannot come from one shot, in words for a person; None where nothing speaks against it.

    Facts contradict only where both files have them. For example: "taken 3 s apart", "1/250 s against 1/500 s",
    "shutter count 1001 against 1002".
    """
    return (
        _other_camera(first, second)
        or _other_body(first, second)
        or _other_time(first, second)
        or _other_settings(first, second)
        or _other_count(first, second, sure=True)
        or (None if _one_moment(first, second) or _one_identifier(first, second) else _weaker(first, second))
    )


def proves_one_shot(first: ShotFacts, second: ShotFacts) -> bool:
    """Whether the facts prove that two files come from one shot, with nothing against it.

    That is: one identifier of the exposure; one shutter count of one body; one camera and one moment to the fraction
    of a second; or one camera, second and file number.
    """
    if contradiction(first, second) is not None:
        return False
    counters = {(kind, value) for kind, value in first.counters & second.counters if kind in _SURE_COUNTERS}
    return (
        _one_identifier(first, second)
        or bool(counters and _one_body(first, second))
        or _one_moment(first, second)
        or (_one_second(first, second) and _one_camera(first, second) and _one_number(first, second))
    )


def same_second_without_subseconds(first: ShotFacts, second: ShotFacts) -> bool:
    """Whether it stays open if two files come from one shot: both were taken within one second, and nothing tells more.

    Most cameras write no fractions of seconds, so this is what the frames of a burst look like.
    """
    return _one_second(first, second) and contradiction(first, second) is None and not proves_one_shot(first, second)


def are_raw_and_picture_of_one_shot(first: ShotFacts, second: ShotFacts) -> bool:
    """Whether one file is a RAW and the other a picture of the same shot, wherever they lie."""
    return first.is_raw != second.is_raw and proves_one_shot(first, second)


def _other_camera(first: ShotFacts, second: ShotFacts) -> str | None:
    """Two cameras. Editors and uploaders that write a name of their own are forgiven where time and settings agree."""
    if not first.model or not second.model or first.model == second.model:
        return None
    settings = (("exposure_s", _RATIO), ("f_number", _RATIO), ("iso", _RATIO))
    agreeing = [_same(getattr(first, name), getattr(second, name), ratio) for name, ratio in settings]
    if _one_second(first, second) and agreeing.count(True) >= 2 and False not in agreeing:
        return None
    return f"taken with {first.camera} and {second.camera}"


def _other_body(first: ShotFacts, second: ShotFacts) -> str | None:
    for one, other in ((first.serial, second.serial), (first.maker_serial, second.maker_serial)):
        if one and other and one != other:
            return f"taken with two cameras of one model, serial numbers {one} and {other}"
    return None


def _other_time(first: ShotFacts, second: ShotFacts) -> str | None:
    apart = _seconds_apart(first, second)
    if apart is None or apart == 0:
        return None
    if apart < 1 and _one_second(first, second) and not _fractions_differ(first, second):
        return None
    if _is_shift_of_clock(first, second, apart):
        return None
    return f"taken {_duration(apart)} apart"


def _other_settings(first: ShotFacts, second: ShotFacts) -> str | None:
    if _differ(first.exposure_s, second.exposure_s, _RATIO):
        return f"{_exposure(first.exposure_s)} against {_exposure(second.exposure_s)}"
    if _differ(first.f_number, second.f_number, _RATIO):
        return f"f/{first.f_number:.3g} against f/{second.f_number:.3g}"
    if _differ(first.iso, second.iso, _RATIO):
        return f"ISO {first.iso:.0f} against ISO {second.iso:.0f}"
    if first.bias_ev is not None and second.bias_ev is not None and abs(first.bias_ev - second.bias_ev) > _BIAS_EV:
        return f"exposure bias {first.bias_ev:+.1f} EV against {second.bias_ev:+.1f} EV"
    if _differ(first.focal_length_mm, second.focal_length_mm, _RATIO):
        return f"focal length {first.focal_length_mm:.4g} mm against {second.focal_length_mm:.4g} mm"
    if _differ(first.focus_m, second.focus_m, _FOCUS_RATIO):
        return f"focused at {_distance(first.focus_m)} against {_distance(second.focus_m)}"
    if _differ(first.maker_focus_m, second.maker_focus_m, _FOCUS_RATIO):
        return "focused at two distances"
    if None not in (first.flash, second.flash) and first.flash != second.flash:
        return "with flash against without flash"
    return None


def _other_count(first: ShotFacts, second: ShotFacts, *, sure: bool) -> str | None:
    """A counter of which the two files know no value in common. Edited files may have several values of one."""
    for kind in sorted({kind for kind, _ in first.counters}):
        if (kind in _SURE_COUNTERS) != sure or (kind in _WRITING_COUNTERS and first.is_raw != second.is_raw):
            continue
        own, other = ({value for name, value in facts.counters if name == kind} for facts in (first, second))
        if other and own.isdisjoint(other):
            return f"{kind} {min(own)} against {min(other)}"
    return None


def _weaker(first: ShotFacts, second: ShotFacts) -> str | None:
    """What editors and the camera's own copies may change: it counts where nothing shows that the moment is one."""
    if not _one_camera(first, second):
        return None
    if not first.edited and not second.edited:
        identifiers = dict(second.identifiers)
        for kind, value in sorted(first.identifiers):
            if identifiers.get(kind, value) != value:
                return f"two different values of the {kind}"
    if words := _other_count(first, second, sure=False):
        return words
    if _one_second(first, second):
        return _other_number(first, second) or _other_place(first, second)
    return None


def _other_number(first: ShotFacts, second: ShotFacts) -> str | None:
    one, other = first.file_number, second.file_number
    if one is None or other is None or one.family != other.family or one.number == other.number or one.by_clock:
        return None  # edited copies are named by the time of saving
    return f"file numbers {one.number} and {other.number} of one camera"


def _other_place(first: ShotFacts, second: ShotFacts) -> str | None:
    if first.latitude is None or second.latitude is None or first.longitude is None or second.longitude is None:
        return None
    north = (first.latitude - second.latitude) * _DEGREE_KM
    degrees = abs(first.longitude - second.longitude)
    east = min(degrees, 360 - degrees) * _DEGREE_KM * math.cos(math.radians(first.latitude))
    distance = math.hypot(north, east)
    return f"taken {distance:,.0f} km apart in the same second" if distance > _FAR_KM else None


def _one_camera(first: ShotFacts, second: ShotFacts) -> bool:
    return first.model is not None and first.model == second.model


def _one_body(first: ShotFacts, second: ShotFacts) -> bool:
    pairs = ((first.serial, second.serial), (first.maker_serial, second.maker_serial))
    return any(one is not None and one == other for one, other in pairs)


def _one_identifier(first: ShotFacts, second: ShotFacts) -> bool:
    return not first.identifiers.isdisjoint(second.identifiers)


def _one_number(first: ShotFacts, second: ShotFacts) -> bool:
    """One file number, which is not just the second of the shot again."""
    return first.file_number is not None and first.file_number == second.file_number and not first.file_number.by_clock


def _one_moment(first: ShotFacts, second: ShotFacts) -> bool:
    """One camera, and one moment down to a fraction of the second that is known on both sides."""
    times = _aligned(first, second)
    return times is not None and times[0] == times[1] and times[0].microsecond > 0 and _one_camera(first, second)


def _one_second(first: ShotFacts, second: ShotFacts) -> bool:
    times = _aligned(first, second)
    return times is not None and times[0].replace(microsecond=0) == times[1].replace(microsecond=0)


def _seconds_apart(first: ShotFacts, second: ShotFacts) -> float | None:
    times = _aligned(first, second)
    return abs((times[0] - times[1]).total_seconds()) if times else None


def _aligned(first: ShotFacts, second: ShotFacts) -> tuple[datetime, datetime] | None:
    """Both times as the camera's clock showed them, or in UTC where both are known and lie closer there.

    Of two copies, one may have lost its UTC offset, and one may have been converted to another time zone.
    """
    one, other = first.taken_at, second.taken_at
    if one is None or other is None:
        return None
    local = (one.replace(tzinfo=None), other.replace(tzinfo=None))
    one_offset, other_offset = one.utcoffset(), other.utcoffset()
    if one_offset is None or other_offset is None:
        return local
    universal = (_earlier(local[0], one_offset), _earlier(local[1], other_offset))
    return min(local, universal, key=lambda times: abs(times[0] - times[1]))


def _earlier(time: datetime, offset: timedelta) -> datetime:
    try:
        return time - offset
    except OverflowError:  # the last day of the calendar
        return time


def _fractions_differ(first: ShotFacts, second: ShotFacts) -> bool:
    """Whether both files know the fraction of their second and it is not the same, one perhaps cut to two digits.

    A copy that has lost the fraction is not another shot; zero is what cameras without a finer clock write.
    """
    times = _aligned(first, second)
    if times is None or not times[0].microsecond or not times[1].microsecond:
        return False
    coarse = [moment.microsecond % 10_000 == 0 for moment in times]
    if coarse[0] == coarse[1]:
        return times[0] != times[1]
    return abs(times[0].microsecond - times[1].microsecond) >= 10_000


def _is_shift_of_clock(first: ShotFacts, second: ShotFacts, apart: float) -> bool:
    """Whether one time was moved to another time zone: only if something else shows that the shot is one.

    The frames of a time lapse or a trail camera lie whole quarters of an hour apart as well.
    """
    if apart > _LONGEST_SHIFT_S or apart % _QUARTER_HOUR_S:
        return False
    sure = {one for one in first.counters & second.counters if one[0] in _SURE_COUNTERS}
    return _one_identifier(first, second) or (_one_camera(first, second) and (bool(sure) or _one_number(first, second)))


def _same(first: float | None, second: float | None, ratio: float) -> bool | None:
    """Whether two settings are one; None where either is unknown."""
    return None if first is None or second is None else not _differ(first, second, ratio)


def _differ(first: float | None, second: float | None, ratio: float) -> bool:
    if first is None or second is None or first == second:
        return False
    return max(first, second) > ratio * min(first, second)


def _exposure(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"{seconds:.3g} s" if seconds >= 0.3 else f"1/{1 / seconds:.0f} s"


def _distance(metres: float | None) -> str:
    return "infinity" if metres is None or math.isinf(metres) else f"{metres:.3g} m"


def _duration(seconds: float) -> str:
    for name, length in _TIMES:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}s"
    return f"{seconds:.3g} s"
