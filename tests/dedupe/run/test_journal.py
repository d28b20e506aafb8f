import os
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.dedupe.run.fingerprint import Fingerprint
from retrieval.dedupe.run.journal import Journal, find_journal, journals
from retrieval.dedupe.run.records import Change, Mode, State
from retrieval.errors import RunError

ORIGINAL = Fingerprint(10, 1_600_000_000_123_456_789, 0o644, 42, "ab" * 32)
CHANGE = Change(1, 1, 1, 7, Mode.MOVE, Path("/a/b.jpg"), Path("/held/b.jpg"), Path("/a/kept.jpg"), True, ORIGINAL)


def reread(journal: Journal) -> Journal:
    found = Journal.read(journal.path)
    assert found is not None
    return found


def test_a_journal_reads_back_what_was_written(tmp_path):
    odd = replace(
        CHANGE, path=Path(os.fsdecode(b"/a/\xff\n\xe2\x80\xa8.jpg")), number=2, shot=2, target=None, mode=Mode.TRASH
    )
    with Journal.create(tmp_path, Mode.MOVE, "plan", {}) as journal:
        journal.add_folder(Path("/held"))
        journal.begin(CHANGE)
        journal.finish(1)
        journal.begin(odd)
        journal.finish(2, Path("/trash/x"))
        journal.set_state(1, State.UNDOING)
        journal.end()
    found = reread(journal)
    assert (found.header, found.folders, found.ended, found.undo_started) == (
        journal.header,
        [Path("/held")],
        True,
        True,
    )
    assert found.changes == {1: CHANGE, 2: replace(odd, target=Path("/trash/x"))}
    assert found.states == {1: State.UNDOING, 2: State.DONE}


def test_runs_of_one_second_get_numbers_and_stay_in_order(tmp_path, monkeypatch):
    made = []
    for _ in range(12):
        with Journal.create(tmp_path, Mode.MOVE, "plan", {}) as journal:
            made.append(journal.header.run)
    assert [journal.header.run for journal in journals(tmp_path)] == made
    assert len(set(made)) == 12
    assert find_journal(tmp_path, None).header.run == made[-1]
    assert find_journal(tmp_path, made[3]).header.run == made[3]
    with pytest.raises(RunError, match=f"no run nonsense.*{made[-1]}"):
        find_journal(tmp_path, "nonsense")


def test_the_last_run_is_the_last_in_every_time_zone(tmp_path):
    """Undoing without a name undoes the last one; names are local times."""
    made = ["2026-10-25T02:59:00+02:00", "2026-10-25T02:01:00+01:00", "2026-10-24T23:00:00-03:30"]
    for started_at in made:
        with Journal.create(tmp_path, Mode.MOVE, "plan", {}) as journal:
            pass
        name = started_at[:19].replace(":", "-")
        text = journal.path.read_text().replace(journal.header.started_at, started_at)
        journal.path.with_name(f"{name}.jsonl").write_text(text.replace(journal.header.run, name))
        journal.path.unlink()
    assert [journal.header.started_at for journal in journals(tmp_path)] == made
    assert find_journal(tmp_path, None).header.started_at == made[-1]


def test_no_run_at_all(tmp_path):
    assert list(journals(tmp_path)) == []
    with pytest.raises(RunError, match="nothing to undo"):
        find_journal(tmp_path, None)


def test_a_torn_last_line_is_as_if_never_written_wherever_it_tears(tmp_path):
    with Journal.create(tmp_path, Mode.MOVE, "plan", {}) as journal:
        journal.begin(CHANGE)
        whole = journal.path.read_bytes()
        journal.finish(1)
    full = journal.path.read_bytes()
    for cut in range(len(whole), len(full)):
        journal.path.write_bytes(full[:cut])
        found = reread(journal)
        assert found.states == {1: State.BEGUN}
        found.set_state(1, State.VOID)  # what comes next begins a line of its own
        found.close()
        assert reread(journal).states == {1: State.VOID}


def test_a_journal_killed_before_its_first_line_is_no_run(tmp_path):
    with Journal.create(tmp_path, Mode.MOVE, "plan", {}) as journal:
        pass
    journal.path.write_bytes(journal.path.read_bytes()[:20])
    assert Journal.read(journal.path) is None
    assert list(journals(tmp_path)) == []


@pytest.mark.parametrize(
    "line",
    [b"nonsense", b"[]", b"{}", b'{"do": "done", "step": 9, "to": null}', b'{"do": "explode", "step": 1}', b"\xff"],
)
def test_anything_else_that_is_broken_is_an_error_that_names_the_line(tmp_path, line):
    with Journal.create(tmp_path, Mode.MOVE, "plan", {}) as journal:
        journal.begin(CHANGE)
    with journal.path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(RunError, match="line 3"):
        Journal.read(journal.path)


def test_foreign_and_future_files_are_refused(tmp_path):
    path = tmp_path / "runs" / "x.jsonl"
    path.parent.mkdir()
    (tmp_path / "other").mkdir()
    with Journal.create(tmp_path / "other", Mode.MOVE, "plan", {}) as other:
        pass
    undated = other.path.read_text().replace(other.header.started_at, "yesterday")
    for text in ('{"some": "thing"}\n', undated):
        path.write_text(text)
        with pytest.raises(RunError, match="not the journal of a run"):
            Journal.read(path)
    with Journal.create(tmp_path, Mode.MOVE, "plan", {}) as journal:
        pass
    path.write_bytes(journal.path.read_bytes().replace(b'"format": 2', b'"format": 3'))
    with pytest.raises(RunError, match="upgrade"):
        Journal.read(path)


def test_a_shot_is_incomplete_until_all_of_its_changes_are_done(tmp_path):
    first, second = replace(CHANGE, shot_size=2), replace(CHANGE, number=2, shot_size=2)
    with Journal.create(tmp_path, Mode.MOVE, "plan", {}) as journal:
        journal.begin(first)
        journal.finish(1)
        assert journal.incomplete_changes() == [first]
        journal.begin(second)
        assert reread(journal).incomplete_changes() == [second, first]
        journal.finish(2)
        assert reread(journal).incomplete_changes() == []
        journal.set_state(2, State.UNDOING)
        assert reread(journal).incomplete_changes() == []  # from here on it is undo's


def test_what_was_deleted_is_not_open(tmp_path):
    first, second = (
        replace(CHANGE, shot_size=2, mode=Mode.DELETE),
        replace(CHANGE, number=2, shot_size=2, mode=Mode.DELETE),
    )
    with Journal.create(tmp_path, Mode.DELETE, "plan", {}) as journal:
        journal.begin(first)
        journal.finish(1)
        journal.begin(second)
        assert journal.incomplete_changes() == [second]
