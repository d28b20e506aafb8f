import json

from calling import call
from photos import photo


def test_identify_needs_no_index(place, model):
    photo(place / "a.jpg", 1)
    done = call("identify", "a.jpg", "--model", model, "-k", 3, "--format", "json")
    answer = json.loads(done.stdout)
    assert set(answer) == {"query", "model", "predictions"}
    assert len(answer["predictions"]) == 3
    probabilities = [one["probability"] for one in answer["predictions"]]
    assert probabilities == sorted(probabilities, reverse=True)
    failed = call("identify", "b.jpg", "--model", model)
    assert (failed.exit_code, "b.jpg: " in failed.stderr) == (1, True)


def test_an_image_that_fails_keeps_its_place_and_strict_tells(place, model):
    photo(place / "a.jpg", 1)
    (place / "b.jpg").write_text("no photo")
    words = ("identify", "a.jpg", "b.jpg", "a.jpg", "--model", model, "--format", "jsonl")
    done = call(*words)
    assert done.exit_code == 0
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["failure" in answer for answer in answers] == [False, True, False]
    assert answers[1]["failure"]["kind"] == "not-a-photo"
    assert call(*words, "--strict").exit_code == 3


def test_int8_says_why_it_needs_an_index(place, model):
    photo(place / "a.jpg", 1)
    done = call("identify", "a.jpg", "--model", model, "--precision", "int8")
    assert (done.exit_code, "retrieval index FOLDER --precision int8" in done.stderr) == (1, True)
