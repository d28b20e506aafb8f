import json

from retrieval.models.available import AvailableModel
from retrieval.present.networks import networks
from retrieval.present.view import Layout, render

MODELS = [
    AvailableModel("flagship", "birds", 384, 86_661_855, 735, "species", "not downloaded", None),
    AvailableModel("compact", "anything", 224, 5_500_000, 1000, "general", "in this package", 12.34),
]


def test_sizes_and_speeds_are_in_units_that_people_read():
    _, first, second = "".join(render(networks(MODELS), Layout())).splitlines()
    for words, line in (
        (("86.7 M", "735 species", "384 px"), first),
        (("1,000 general labels", "12.3 photos/s"), second),
    ):
        assert all(word in line for word in words), line
    assert "12.3" not in first


def test_programs_get_the_numbers():
    found = json.loads("".join(render(networks(MODELS), Layout("json"))))
    assert [(one["name"], one["parameters"], one["photos_per_s"]) for one in found] == [
        ("flagship", 86_661_855, None),
        ("compact", 5_500_000, 12.34),
    ]
