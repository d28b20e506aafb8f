"""The RAW and the picture of one shot, wherever they lie."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from retrieval.catalogue.copies import Copy
from retrieval.decode.file_numbers import file_number
from retrieval.dedupe.alike.shot_times import are_different_shots, camera_time

# What copying adds to a name: "IMG_1 (2)", "IMG_1 copy 3", "IMG_1 - Copy (2)".
_COPIED = re.compile(r"(?:[ _-]+(?:copy|kopie|copie|copia))?(?:[ _]?\(\d+\)|(?<=copy) \d+)?$")

Shot = tuple[str, str, str]  # the camera, the second that its clock showed, and the name of the file


def shot_name(relative: str) -> str:
    """Return what names a shot: the number that a camera gave it, else the name without what copying added."""
    name = relative.rpartition("/")[2]
    number = file_number(name)
    if number and not number.by_clock:
        return f"{number.family}{number.number}"
    stem = os.path.splitext(name)[0].casefold()  # noqa: PTH122 - of each timed photo
    return _COPIED.sub("", stem) or stem


def shot_of(copy: Copy) -> Shot | None:
    """Return what the RAW and the picture of one shot have in common; None where a file does not tell."""
    if not copy.camera or not copy.taken_at:
        return None
    return copy.camera, camera_time(copy.taken_at).isoformat(timespec="seconds"), shot_name(copy.relative)


def twins_elsewhere(raws: Sequence[Copy], timed: Iterable[Copy]) -> Iterator[tuple[Copy, Copy]]:
    """Yield pairs of a RAW and a picture that one camera wrote at one moment under one name: RAW/IMG_1, JPG/IMG_1."""
    by_shot: dict[Shot, list[Copy]] = defaultdict(list)
    for raw in raws:
        if shot := shot_of(raw):
            by_shot[shot].append(raw)
    if not by_shot:
        return
    for copy in timed:
        if copy.format != "RAW" and (shot := shot_of(copy)):
            yield from ((raw, copy) for raw in by_shot.get(shot, ()) if not are_different_shots(raw, copy))
