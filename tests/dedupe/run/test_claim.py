import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from removals import planned

from retrieval.dedupe.plan.records import PlannedFile
from retrieval.dedupe.run import claim
from retrieval.dedupe.run.claim import PlannedChange
from retrieval.dedupe.run.fingerprint import fingerprint
from retrieval.dedupe.run.records import Change, Mode
from retrieval.errors import RunError


@dataclass
class Pair:
    """Two files with the same bytes."""

    one: Path
    other: Path

    def claim(self, keeper: PlannedFile | None = None) -> claim.Claim:
        """Claim one of the two."""
        keeper = keeper or planned(self.other)
        path = self.one if keeper.path == self.other else self.other
        change = Change(1, 1, 1, 1, Mode.DELETE, path, None, keeper.path, True, fingerprint(path))
        return claim.claim(PlannedChange(change, keeper), path.with_name(f".{path.name}.claimed"))


@pytest.fixture
def pair(tmp_path):
    folder = tmp_path.resolve()
    for name in ("one.jpg", "other.jpg"):
        (folder / name).write_bytes(b"photo")
        os.utime(folder / name, ns=(10**18, 10**18))
    return Pair(folder / "one.jpg", folder / "other.jpg")


def test_a_claimed_file_is_out_of_reach_and_unchanged(pair):
    was = fingerprint(pair.one)
    claimed = pair.claim()
    assert not pair.one.exists()
    assert fingerprint(claimed.path) == was
    claimed.look_again()
    claimed.check_keeper()


def test_of_two_claims_on_each_other_none_holds(pair):
    kept = {path: planned(path) for path in (pair.one, pair.other)}
    claims = [pair.claim(kept[pair.other]), None]
    with pytest.raises(RunError, match="missing"):
        pair.claim(kept[pair.one])
    claims[0].path.rename(pair.one)  # put back: the other may have its turn
    pair.claim(kept[pair.one]).look_again()


def test_a_claim_whose_keeper_is_claimed_next_does_not_hold(pair):
    first = pair.claim()
    pair.other.rename(pair.other.with_suffix(".claimed"))
    with pytest.raises(RunError, match="was gone at the same moment"):
        first.look_again()


@pytest.mark.parametrize("which", ["claimed", "keeper"])
def test_bytes_that_change_after_the_claim_are_noticed(pair, which):
    claimed = pair.claim()
    path = claimed.path if which == "claimed" else pair.other
    path.write_bytes(b"PHOTO")
    os.utime(path, ns=(10**18, 10**18))
    with pytest.raises(RunError, match="changed while it was being removed" if which == "claimed" else "other bytes"):
        claimed.look_again()


def test_a_keeper_whose_status_changes_with_the_renaming_may_be_the_same_file(pair):
    claimed = pair.claim()
    pair.other.chmod(0o600)  # the time of the last change of status is what a second way to one file shows
    for look in (claimed.look_again, claimed.check_keeper):
        with pytest.raises(RunError, match="changed at the same moment"):
            look()


def test_a_keeper_that_goes_between_the_look_and_the_end_is_noticed(pair):
    claimed = pair.claim()
    claimed.look_again()
    pair.other.unlink()
    with pytest.raises(RunError, match="was gone at the same moment"):
        claimed.check_keeper()
    os.link(claimed.path, pair.other)
    with pytest.raises(RunError, match="are one file"):
        claimed.check_keeper()


def test_a_name_that_is_taken_is_not_claimed(pair):
    shutil.copy2(pair.other, pair.one.with_name(".one.jpg.claimed"))
    with pytest.raises(RunError, match="in the way"):
        pair.claim()
    assert pair.one.read_bytes() == b"photo"
