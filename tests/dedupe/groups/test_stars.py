from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from retrieval.dedupe.groups.stars import containers_first, split_at_gaps, stars

NODES = st.integers(0, 14)


@st.composite
def matches(draw):
    """Nodes in the order of preference, and which match which: (order, pairs)."""
    order = draw(st.permutations(range(draw(st.integers(0, 15)))))
    pairs = draw(st.lists(st.tuples(NODES, NODES).filter(lambda pair: pair[0] != pair[1]), max_size=40))
    return order, [pair for pair in pairs if set(pair) <= set(order)]


def neighbours(pairs):
    """Both ways, in the order of the list."""
    found: dict[int, list[int]] = {}
    for one, other in pairs:
        found.setdefault(one, []).append(other)
        found.setdefault(other, []).append(one)
    return lambda node: found.get(node, [])


@given(matches())
def test_every_member_matches_its_keeper_and_comes_after_it(given_likenesses):
    order, pairs = given_likenesses
    matches, place = neighbours(pairs), {node: number for number, node in enumerate(order)}
    for keeper, members in stars(order, matches):
        assert members
        assert members == sorted(members, key=place.__getitem__)
        for member in members:
            assert member in matches(keeper)
            assert place[keeper] < place[member]


@given(matches())
def test_groups_are_disjoint(given_likenesses):
    order, pairs = given_likenesses
    nodes = [node for keeper, members in stars(order, neighbours(pairs)) for node in (keeper, *members)]
    assert len(nodes) == len(set(nodes))


@given(matches(), st.randoms(use_true_random=False))
def test_the_order_of_matches_makes_no_difference(given_likenesses, random):
    order, pairs = given_likenesses
    expected = stars(order, neighbours(pairs))
    shuffled = [pair if random.random() < 0.5 else pair[::-1] for pair in pairs]
    random.shuffle(shuffled)
    assert stars(order, neighbours([*shuffled, *shuffled[:3]])) == expected


@given(matches())
def test_nothing_that_matches_is_lost_unless_it_is_claimed(given_likenesses):
    """Two that match never both stay: one of them is a member, of the other or of a third."""
    order, pairs = given_likenesses
    found = stars(order, neighbours(pairs))
    members = {member for _, some in found for member in some}
    for pair in pairs:
        assert members & set(pair)


@given(matches())
def test_a_member_has_the_best_keeper_that_it_matches(given_likenesses):
    order, pairs = given_likenesses
    matches, place = neighbours(pairs), {node: number for number, node in enumerate(order)}
    found = stars(order, matches)
    members = {member for _, some in found for member in some}
    for keeper, some in found:
        assert keeper not in members
        for member in some:
            kept = [other for other in matches(member) if other not in members]
            assert min(kept, key=place.__getitem__) == keeper


@given(matches())
def test_who_is_worse_than_all_it_matches_never_changes_the_others(given_likenesses):
    order, pairs = given_likenesses
    if order:
        last = order[-1]
        without = stars(order[:-1], neighbours([pair for pair in pairs if last not in pair]))
        with_last = [(keeper, [one for one in some if one != last]) for keeper, some in stars(order, neighbours(pairs))]
        assert [star for star in with_last if star[1]] == without


@st.composite
def containments(draw):
    """Nodes in the order of preference, and which contain which, some of them each other: (order, pairs)."""
    order = draw(st.permutations(range(draw(st.integers(0, 12)))))
    pairs = draw(st.sets(st.tuples(NODES, NODES).filter(lambda pair: pair[0] != pair[1]), max_size=30))
    return order, {pair for pair in pairs if set(pair) <= set(order)}


def inside(pairs):
    return lambda node: [other for one, other in pairs if one == node]


def strict(pairs):
    return {pair for pair in pairs if pair[::-1] not in pairs}


def reaches(pairs, one, other):
    """Tell whether a chain of containments leads from one to the other."""
    seen, left = set(), [one]
    while left:
        fresh = {inner for outer, inner in pairs if outer == left[-1]} - seen
        left.pop()
        seen |= fresh
        left.extend(fresh)
    return other in seen


@given(containments())
def test_what_contains_more_comes_first_whatever_is_preferred(drawn):
    order, pairs = drawn
    found = containers_first(order, inside(strict(pairs)))
    assert sorted(found) == sorted(order)
    for outer, inner in strict(pairs):
        if not reaches(strict(pairs), inner, outer):  # no circle
            assert found.index(outer) < found.index(inner)


@given(containments())
def test_the_preferred_order_stands_where_nothing_is_contained(drawn):
    order, pairs = drawn
    assert containers_first(order, lambda _: []) == list(order)
    mutual = pairs | {pair[::-1] for pair in pairs}
    assert containers_first(order, inside(strict(mutual))) == list(order)
    free = [node for node in order if not any(node in pair for pair in strict(pairs))]
    found = containers_first(order, inside(strict(pairs)))
    assert [node for node in found if node in free] == free


@given(containments())
def test_a_member_is_contained_by_its_own_keeper_which_is_never_the_lesser(drawn):
    order, pairs = drawn
    found = stars(containers_first(order, inside(strict(pairs))), inside(pairs))
    for keeper, members in found:
        for member in members:
            assert (keeper, member) in pairs


@given(containments(), st.randoms(use_true_random=False))
def test_the_order_of_containments_makes_no_difference(drawn, random):
    order, pairs = drawn
    shuffled = sorted(strict(pairs))
    random.shuffle(shuffled)
    assert containers_first(order, inside(shuffled)) == containers_first(order, inside(strict(pairs)))


def test_preference_decides_in_a_circle():
    circle = {("a", "b"), ("b", "c"), ("c", "a"), ("a", "x"), ("o", "b")}
    assert containers_first("xcbao", inside(circle)) == ["o", "c", "a", "x", "b"]


def test_chains_are_not_groups():
    """The second is like the first, the third like the second: the third is not shown to be like the first."""
    chain = neighbours([("a", "b"), ("b", "c"), ("c", "d")])
    assert stars("abcd", chain) == [("a", ["b"]), ("c", ["d"])]
    assert stars("bacd", chain) == [("b", ["a", "c"])]


def test_matches_outside_of_the_order_are_left_out():
    assert stars("ab", neighbours([("a", "x"), ("x", "b")])) == []


@given(st.lists(st.floats(0, 1e4), max_size=30), st.floats(0, 500))
def test_sequences_split_at_gaps(times, gap_s):
    times = sorted(times)
    runs = split_at_gaps(times, gap_s)
    inside = {number for run in runs for number in run}
    for run in runs:
        assert len(run) > 1
        assert all(times[b] - times[a] <= gap_s for a, b in pairwise(run))
    for number, (one, other) in enumerate(pairwise(times)):
        together = any(number in run and number + 1 in run for run in runs)
        assert together == (other - one <= gap_s)
    alone = [number for number in range(len(times)) if number not in inside]
    for number in alone:
        near = [other for other in (number - 1, number + 1) if 0 <= other < len(times)]
        assert all(abs(times[number] - times[other]) > gap_s for other in near)


def test_sequences():
    assert split_at_gaps([], 2) == []
    assert split_at_gaps([5.0], 2) == []
    assert split_at_gaps([0, 1, 3, 5.5, 6, 20], 2) == [range(3), range(3, 5)]
