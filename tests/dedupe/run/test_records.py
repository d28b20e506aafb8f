import json
from pathlib import Path

import pytest

from retrieval.dedupe.run.fingerprint import Fingerprint
from retrieval.dedupe.run.records import Change, Mode, change_document, change_from_document, relocated

# A line of a journal that 0.1.0 wrote: these names stay.
WRITTEN = (
    '{"number": 2, "unit": 1, "of": 2, "group": 7, "mode": "move", "path": "/photos/a.jpg", "to": "/held/a.jpg", '
    '"keeper": "/photos/b.jpg", "photo": true, '
    '"was": {"size": 3, "mtime_ns": 5, "mode": 420, "inode": 9, "sha256": "ab"}}'
)
CHANGE = Change(
    number=2,
    shot=1,
    shot_size=2,
    group=7,
    mode=Mode.MOVE,
    path=Path("/photos/a.jpg"),
    target=Path("/held/a.jpg"),
    keeper=Path("/photos/b.jpg"),
    is_photo=True,
    original=Fingerprint(3, 5, 0o644, 9, "ab"),
)


def test_the_names_in_the_journal_stay():
    assert change_from_document(json.loads(WRITTEN)) == CHANGE
    assert json.dumps(change_document(CHANGE)) == WRITTEN


@pytest.mark.parametrize("change", [{"mode": "vanish"}, {"path": 5}, {"was": {}}, {"was": None}])
def test_other_documents_are_refused(change):
    with pytest.raises((ValueError, KeyError, TypeError)):
        change_from_document(json.loads(WRITTEN) | change)


def test_a_path_follows_its_innermost_root():
    before = {"all": "/mnt/disk", "birds": "/mnt/disk/birds"}
    now = {"all": Path("/media/disk"), "birds": Path("/media/other")}
    assert relocated(Path("/mnt/disk/birds/a.jpg"), before, now) == Path("/media/other/a.jpg")
    assert relocated(Path("/mnt/disk/cats/a.jpg"), before, now) == Path("/media/disk/cats/a.jpg")
    assert relocated(Path("/elsewhere/a.jpg"), before, now) == Path("/elsewhere/a.jpg")
    assert relocated(Path("/mnt/disk/birds/a.jpg"), before, {}) == Path("/mnt/disk/birds/a.jpg")
