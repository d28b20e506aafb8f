import pytest

from retrieval.species.names import SpeciesNames, cameras_matching, words

LABELS = (
    "Socotra cormorant",
    "Black-winged kite",
    "Black kite",
    "Cetti's warbler",
    "Reed warbler",
    "Grey heron",
    "black stork, Ciconia nigra",
    "Ciconia ciconia_White stork",
    "Painted_Bunting",
    "Rüppell's vulture",
    "crane (517)",
    "what? bird",
)
NAMES = SpeciesNames(LABELS)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("Socotra cormorant", {"Socotra cormorant"}),
        ("SOCOTRA_CORMORANT", {"Socotra cormorant"}),
        ("black winged kite", {"Black-winged kite"}),
        ("blackwinged-kite", {"Black-winged kite"}),
        ("Cetti\N{RIGHT SINGLE QUOTATION MARK}s Warbler", {"Cetti's warbler"}),
        ("cettis warbler", {"Cetti's warbler"}),
        ("gray heron", {"Grey heron"}),
        ("painted bunting", {"Painted_Bunting"}),
        ("ruppells vulture", {"Rüppell's vulture"}),
        ("Ru\N{COMBINING DIAERESIS}ppell's vulture", {"Rüppell's vulture"}),
        ("ciconia nigra", {"black stork, Ciconia nigra"}),
        ("black stork", {"black stork, Ciconia nigra"}),
        ("Ciconia ciconia", {"Ciconia ciconia_White stork"}),
        ("White stork", {"Ciconia ciconia_White stork"}),
        ("crane (517)", {"crane (517)"}),
        ("what? bird", {"what? bird"}),
        ("*warbler", {"Cetti's warbler", "Reed warbler"}),
        ("* kite", {"Black kite", "Black-winged kite"}),
        ("black * kite", {"Black-winged kite"}),
        ("?eed warbler", {"Reed warbler"}),
        ("ciconia*", {"black stork, Ciconia nigra", "Ciconia ciconia_White stork"}),
        ("*", set(LABELS)),
        ("warbler", set()),
        ("kit?", set()),
        ("", set()),
        ("robin", set()),
    ],
)
def test_matching(asked, meant):
    assert NAMES.matching(asked) == meant


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("blak kite", "Black kite"),
        ("Socotra cormorrant", "Socotra cormorant"),
        ("cettys warbler", "Cetti's warbler"),
        ("ciconia niger", "black stork, Ciconia nigra"),
        ("warbler", "Reed warbler"),
        ("*warblr", "Reed warbler"),
    ],
)
def test_suggestions(asked, first):
    suggested = NAMES.suggestions(asked)
    assert suggested[0] == first
    assert len(suggested) <= 3


def test_suggestions_do_not_depend_on_the_order_of_labels():
    """Labels come out of a set, in the order of a hash seed."""
    labels = [f"{colour} kite" for colour in ("Grey", "Pink", "Gold", "Blue", "Teal")]
    for order in (labels, labels[::-1], labels[2:] + labels[:2]):
        assert SpeciesNames(order).suggestions("kite") == ["Blue kite", "Gold kite", "Grey kite"]


@pytest.mark.parametrize("asked", ["", "*", "xyzzy"])
def test_nothing_is_suggested_for_nothing(asked):
    assert NAMES.suggestions(asked) == []


def test_cameras():
    known = ["Canon EOS R5", "Canon EOS 7D", "SONY ILCE-1"]
    assert cameras_matching("canon", known) == {"Canon EOS R5", "Canon EOS 7D"}
    assert cameras_matching("ilce 1", known) == {"SONY ILCE-1"}
    assert cameras_matching("canon*7d", known) == {"Canon EOS 7D"}
    assert cameras_matching("canon*7", known) == set()
    assert words("  É_t-é ") == "e t e"
