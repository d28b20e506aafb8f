import json

import pytest

from retrieval.models import known, zoo


def test_the_pinned_names_are_the_published_ones() -> None:
    assert known.FLAGSHIP == "vit_reg4_b16_mim-intermediate-arabian-peninsula"
    assert zoo.KNOWN[known.FLAGSHIP].startswith("78dbf578")
    assert zoo.KNOWN["vitreg4_b16_mim-intermediate-arabian-peninsula"].startswith("e011f931")
    assert all(len(digest) == 64 for digest in zoo.KNOWN.values())


def test_short_names_lead_to_known_models():
    assert set(known.ALIASES.values()) <= set(known.HUB_MODELS)
    assert known.ALIASES["flagship"] == known.FLAGSHIP


@pytest.mark.skipif(not known.COMPACT_FILE.is_file(), reason="this package comes without the compact model")
def test_the_compact_model_of_the_package_says_what_it_is():
    facts = zoo.packaged_facts()
    assert facts is not None
    assert (facts.label_kind, facts.input_size) == ("general", 224)
    with known.COMPACT_FILE.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    del header["__metadata__"]
    sizes = [entry["shape"] for entry in header.values()]
    count = 0
    for shape in sizes:
        product = 1
        for side in shape:
            product *= side
        count += product
    assert facts.parameters == count
