"""Edited plans: what a person may change, and what contradicts itself."""

from dataclasses import replace

import pytest
from plans import FOLDER, edited, exact, file, near, plan

from retrieval.dedupe.plan.records import Action, Member
from retrieval.errors import PlanError


def refused(path, match, edit, made=None):
    with pytest.raises(PlanError, match=match) as caught:
        edited(path, made or plan(near(), exact(2)), edit)
    assert path.name in str(caught.value)


def test_a_file_can_be_spared(path):
    def edit(rows):
        rows[1]["action"] = "keep"

    made = near()
    first, second = made.members
    spared = replace(made, members=(replace(first, action=Action.KEEP), second))
    assert edited(path, plan(made), edit) == plan(spared)


def test_deleted_rows_are_not_touched(path):
    made = near()
    assert edited(path, plan(made), lambda rows: [rows[0], rows[2]]) == plan(replace(made, members=made.members[1:]))
    assert edited(path, plan(made), lambda rows: rows[:1]) == plan()


def test_exchanging_keep_and_remove_changes_the_keeper(path):
    def edit(rows):
        rows[0]["action"], rows[1]["action"] = "remove", "keep"

    made = near()
    (group,) = edited(path, plan(made), edit).groups
    assert (group.keeper, group.why) == (made.members[0].file, "chosen by hand")
    assert [member.file for member in group.members] == [made.keeper, made.members[1].file]
    for member in group.members:
        assert (member.action, member.reason, member.cosine, member.score) == (Action.REMOVE, "", None, 0)


def test_what_would_be_lost_is_about_the_keeper_that_it_was_said_of(path):
    def edit(rows):
        rows[0]["action"], rows[1]["action"] = "remove", "keep"

    made = near()
    told = {"would_lose": "colour", "places": ((1, 2, 3, 4),), "keeper_places": ((5, 6, 7, 8),)}
    made = replace(made, members=tuple(replace(member, **told) for member in made.members))
    assert edited(path, plan(made), lambda rows: None) == plan(made)
    (group,) = edited(path, plan(made), edit).groups
    assert [(one.would_lose, one.places, one.keeper_places) for one in group.members] == [("", (), ())] * 2


def test_without_its_keeper_the_kept_file_is_keeper(path):
    def edit(rows):
        rows[2]["action"] = "keep"
        return rows[1:]

    made = near()
    (group,) = edited(path, plan(made), edit).groups
    assert group.keeper == made.members[1].file
    assert [(member.file, member.reason) for member in group.members] == [(made.members[0].file, "")]


def test_of_several_that_stay_the_first_is_keeper(path):
    def edit(rows):
        for row, action in zip(rows, ("remove", "remove", "keep", "keep"), strict=True):
            row["action"] = action

    made = near(members=3)
    (group,) = edited(path, plan(made), edit).groups
    assert group.keeper == made.members[1].file
    assert [member.action for member in group.members] == [Action.REMOVE, Action.REMOVE, Action.KEEP]


def test_the_same_bytes_need_no_other_proof(path):
    def edit(rows):
        rows[0]["action"], rows[1]["action"] = "remove", "keep"

    (group,) = edited(path, plan(exact()), edit).groups
    assert [(member.reason, member.score) for member in group.members] == [("", 1), ("same bytes", 1)]


def test_written_again_an_edited_plan_stays_what_it_is(path):
    def edit(rows):
        rows[0]["action"], rows[1]["action"] = "remove", "keep"

    once = edited(path, plan(near(), exact(2)), edit)
    assert edited(path, once, lambda rows: None) == once


def test_a_group_of_which_nothing_stays(path):
    def edit(rows):
        rows[0]["action"] = "remove"

    refused(path, "group 1 keeps no file", edit)
    refused(path, "group 1 keeps no file", lambda rows: rows[1:])


def test_a_file_in_two_groups_or_twice_in_one(path):
    def across(rows):
        rows[4]["path"] = rows[1]["path"]

    def within(rows):
        rows[2]["path"] = rows[1]["path"]

    refused(path, "is in the plan already", across)
    refused(path, "is in the plan already", within)


@pytest.mark.parametrize("action", ["", "delete", "kepe"])
def test_an_unknown_action(path, action):
    def edit(rows):
        rows[1]["action"] = action

    refused(path, "not one of keep, remove", edit)


@pytest.mark.parametrize("value", ["", "photos/a.jpg", "../a.jpg", str(FOLDER / ".." / "a.jpg")])
def test_a_path_that_is_none(path, value):
    def edit(rows):
        rows[1]["path"] = value

    refused(path, "is empty" if not value else "not an absolute path", edit)


def test_a_protected_file_is_not_removed(path):
    made = near()
    first = replace(made.members[0], file=replace(made.members[0].file, protected=True))
    refused(path, "reference folder", lambda rows: None, plan(replace(made, members=(first,))))


def test_a_line_is_named(tmp_path):
    def edit(rows):
        rows[4]["action"] = "x"

    refused(tmp_path / "plan.csv", "plan.csv, line 6: ", edit)
    refused(tmp_path / "plan.json", "plan.json, group 2, member 1: ", edit)


def test_rows_pulled_into_another_group(tmp_path):
    def pull(rows):
        rows[1]["group"] = rows[2]["group"] = rows[3]["group"]

    made = near(2, 10, members=1)
    read = edited(tmp_path / "plan.csv", plan(near(1), made), pull)
    strangers, (own,) = read.groups[-1].members[:-1], read.groups[-1].members[-1:]
    assert [(member.reason, member.cosine, member.score) for member in strangers] == [("", None, 0)] * 2
    assert own.reason == "crop 1 %"
    refused(tmp_path / "plan.csv", "group 2 is near", pull, plan(near(1), replace(exact(2), number=2)))


def test_an_exact_group_with_other_bytes(path):
    other = Member(file("z.jpg", 77), Action.REMOVE, "same bytes")
    refused(path, "other bytes than its keeper", lambda rows: None, plan(replace(exact(1), members=(other,))))
