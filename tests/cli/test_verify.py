import json

from calling import call


def test_verify_and_repair(indexed):
    assert "sound" in call("verify", "--hashes").stdout
    with (indexed / "indexes" / "archive" / "vectors.f16").open("ab") as file:
        file.write(b"x" * 64)
    broken = call("verify")
    assert broken.exit_code == 1
    assert "--repair" in broken.stdout
    mended = call("verify", "--repair")
    assert (mended.exit_code, "repaired: " in mended.stdout) == (0, True)


def test_problems_are_data_with_what_to_do(indexed):
    with (indexed / "indexes" / "archive" / "vectors.f16").open("ab") as file:
        file.write(b"x" * 64)
    done = call("verify", "--format", "json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["sound"]) == (1, False)
    (problem,) = found["problems"]
    assert (problem["state"], problem["place"]) == ("problem", "vectors")
    assert "retrieval verify --repair" in problem["remedy"]
