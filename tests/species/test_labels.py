import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.models import checkpoint
from retrieval.species.labels import clean, is_scientific, names, scientific_names

LABELS = (
    "black stork, Ciconia nigra",
    "great grey owl, great gray owl, Strix nebulosa",
    "crane",
    "crane (517)",
    "maillot",
    "maillot, tank suit",
    "sulphur-crested cockatoo, Kakatoe galerita, Cacatua galerita",
    "white wolf, Arctic wolf, Canis lupus tundrarum",
    "Airedale, Airedale terrier",
    "jack-o'-lantern",
)


def test_the_first_name_is_kept_unless_two_classes_share_it():
    assert clean(LABELS) == (
        "black stork",
        "great grey owl",
        "crane",
        "crane (517)",
        "maillot",
        "maillot (tank suit)",
        "sulphur-crested cockatoo",
        "white wolf",
        "Airedale",
        "jack-o'-lantern",
    )


def test_scientific_names_are_found_by_shape_and_last_word():
    assert scientific_names(LABELS) == {
        "black stork": ["Ciconia nigra"],
        "great grey owl": ["Strix nebulosa"],
        "sulphur-crested cockatoo": ["Kakatoe galerita", "Cacatua galerita"],
        "white wolf": ["Canis lupus tundrarum"],
    }


@pytest.mark.parametrize("name", ["Airedale terrier", "Arctic wolf", "crane", "Shih-Tzu", "Komodo lizard", "Canis"])
def test_other_names_are_not_scientific(name):
    assert not is_scientific(name)


def test_labels_that_are_no_lists_stay_as_they_are():
    assert clean(["Greater Hoopoe-Lark", " Scops  Owl ", ",", ""]) == ("Greater Hoopoe-Lark", "Scops Owl", ",", "")
    assert names("a,, b ,") == ["a", "b"]


@given(st.lists(st.text(alphabet="ab, ()[1]", max_size=8), unique=True))
def test_as_many_different_names_come_out_as_labels_go_in(labels):
    cleaned = clean(labels)
    assert len(cleaned) == len(labels) == len(set(cleaned))


@pytest.mark.shared
def test_all_classes_of_imagenet_keep_names_of_their_own(shared):
    labels = checkpoint.load(shared / "checkpoints" / "vit_t16_imagenet1k.pt").labels
    cleaned = clean(labels)
    assert len(cleaned) == len(set(cleaned)) == 1000
    assert [name for name in cleaned if "," in name] == []
    found = scientific_names(labels)
    assert len(found) == 124
    assert found["indigo bunting"] == ["Passerina cyanea"]
    assert "robin" in found
    assert "Airedale" not in found
