"""What may become of the files of a set, and whether that happened."""

from enum import StrEnum

NEVER = "never"  # no file may be offered for removal
KEEP_FIRST = "keep first"  # only the others may be offered, and should be
LESSER = "keep first or all"  # only the others may be offered, and need not be
ALTERED = "altered"  # none may be offered as a duplicate; the others should be found as altered
EITHER = "either"  # any but one may be offered, and should be

OFFERED = ("exact", "same-pixels", "near")


class Outcome(StrEnum):
    """What a detector made of one pair."""

    RIGHT = "right"
    WRONG = "wrong"
    MISSED = "missed"


def judged(expectation: str, kind: str | None, first_stays: bool | None = None) -> Outcome:
    """Judge the kind that a pair was called, None for none; `first_stays` is None where that was not decided."""
    if kind not in OFFERED:
        nothing_due = expectation in (NEVER, LESSER) or (expectation == ALTERED and kind == "altered")
        return Outcome.RIGHT if nothing_due else Outcome.MISSED
    if expectation in (NEVER, ALTERED):
        return Outcome.WRONG
    if expectation in (KEEP_FIRST, LESSER) and first_stays is False:
        return Outcome.WRONG
    return Outcome.RIGHT
