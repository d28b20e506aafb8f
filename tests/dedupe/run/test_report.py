import errno
from pathlib import Path

from retrieval.dedupe.run.records import Mode
from retrieval.dedupe.run.report import RunReport, Skipped
from retrieval.errors import Remedy, RunError

PATH = Path("/photos/a.jpg")


def test_each_reason_is_noted_once():
    report = RunReport(Mode.MOVE)
    for _ in range(3):
        report.skip(1, PATH, RunError("it has changed", Remedy.FIND_AGAIN))
    report.skip(2, PATH, RunError("it has changed", Remedy.FIND_AGAIN))
    assert report.skipped == [
        Skipped(1, PATH, "it has changed", Remedy.FIND_AGAIN),
        Skipped(2, PATH, "it has changed", Remedy.FIND_AGAIN),
    ]


def test_the_remedy_stays_data():
    skipped = Skipped(1, PATH, "it has changed", Remedy.FIND_AGAIN)
    assert skipped.reason == "it has changed: find the duplicates again"
    assert (skipped.error.what, skipped.error.remedy) == ("it has changed", Remedy.FIND_AGAIN)


def test_errors_of_the_system_are_one_line_that_names_the_file():
    report = RunReport(Mode.MOVE)
    report.skip(1, PATH, PermissionError(errno.EACCES, "Permission denied", "/photos/held"))
    report.skip(1, PATH, PermissionError(errno.EACCES, "Permission denied", b"/photos/\xff"))
    report.skip(1, PATH, OSError("no number"))
    assert [one.reason for one in report.skipped] == [
        "/photos/held: Permission denied",
        "/photos/\udcff: Permission denied",
        "no number",
    ]
