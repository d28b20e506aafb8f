from plans import exact, near, plan

from retrieval.dedupe.plan.records import Action, Kind
from retrieval.dedupe.plan.totals import Totals, group_totals, totals_by_kind


def test_a_group_counts_its_keeper_as_a_file_and_frees_what_is_removed():
    group = near(members=3)
    assert group_totals(group) == Totals(1, 4, 3, sum(member.file.size for member in group.members))


def test_kept_members_free_nothing():
    group = near(members=1)
    kept = type(group.members[0])(group.members[0].file, Action.KEEP, "spared")
    assert group_totals(type(group)(1, Kind.NEAR, group.keeper, "RAW", (kept,))) == Totals(1, 2, 0, 0)


def test_totals_come_in_the_order_of_kinds_and_add_up():
    made = plan(near(), exact(2), near(3, first=10))
    found = totals_by_kind(made.groups)
    assert list(found) == [Kind.EXACT, Kind.NEAR]
    assert (found[Kind.NEAR].groups, found[Kind.NEAR].removed) == (2, 4)
    assert sum(found.values(), Totals()) == sum(map(group_totals, made.groups), Totals())
