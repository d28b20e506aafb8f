"""Names to weights: against a real HTTP server, each resolution in a process of its own, as users have it."""

import hashlib
from http import HTTPStatus
from pathlib import Path

import pytest
from hub_server import COMMIT, Hub
from hub_users import MODEL, REPOSITORY, Person

from retrieval.models import checkpoint, known, zoo

# Names.


def test_a_known_name_is_fetched_once_and_needs_no_network_afterwards(person: Person, hub: Hub, weights: bytes) -> None:
    first = person.resolves(MODEL)
    assert (first.name, first.source) == (MODEL, MODEL)
    assert first.sha256 == hashlib.sha256(weights).hexdigest()
    assert first.path.name == f"{MODEL}.pt"
    assert first.path.is_relative_to(person.cache)
    assert first.path.read_bytes() == weights
    assert checkpoint.load(first.path).config.width == 32
    assert len(hub.downloads()) == 1
    assert not [request for request in hub.requests if "resolve" not in request], "nothing else is told to the hub"
    assert person.chatter == ""

    hub.requests.clear()
    assert person.resolves(MODEL) == first
    assert person.resolves(MODEL, download=False) == first
    assert person.resolves(MODEL, HF_HUB_OFFLINE="1") == first
    assert hub.requests == []
    assert person.libraries == []


@pytest.mark.parametrize("name", zoo.KNOWN)
def test_each_known_name_asks_for_its_own_repository(person: Person, hub: Hub, name: str) -> None:
    hub.files[f"birder-project/{name}"] = {f"{name}.pt": b"other weights"}
    refusal = person.is_refused(name)
    assert refusal.kind == "DownloadError"
    assert "is not the file that this version knows" in refusal.message
    assert hub.requests == [f"HEAD /birder-project/{name}/resolve/main/{name}.pt"], "nothing was downloaded"


def test_an_unknown_name_lists_the_known_ones_and_suggests_the_close_one(person: Person) -> None:
    refusal = person.is_refused("vit_reg4_b16_mim-intermediate-arabian-peninsular")
    assert refusal.kind == "UnknownModelError"
    assert f"did you mean {known.FLAGSHIP}?" in refusal.message
    assert all(name in refusal.message for name in zoo.KNOWN)
    assert "did you mean" not in person.is_refused("resnet50").message


def test_without_downloading_only_what_is_here_is_found(person: Person, hub: Hub) -> None:
    for model in (MODEL, f"hf://{REPOSITORY}/{MODEL}.pt", f"hf://{REPOSITORY}"):
        refusal = person.is_refused(model, download=False)
        assert refusal.kind == "DownloadError"
        assert "is not on this machine" in refusal.message
        assert "give a checkpoint file" in refusal.message
    assert hub.requests == []


# What can go wrong on the way.


# Addresses of the hub.


@pytest.mark.parametrize(
    "address",
    [
        f"hf://{REPOSITORY}",
        f"hf://{REPOSITORY}@main",
        f"hf://models/{REPOSITORY}/{MODEL}.pt",
        f"hf://{REPOSITORY}/{MODEL}.pt@main",
        f"hf://{REPOSITORY}@{COMMIT}/{MODEL}.pt",
    ],
)
def test_an_address_leads_to_weights_and_to_a_source_that_never_changes(
    person: Person, hub: Hub, weights: bytes, address: str
) -> None:
    found = person.resolves(address)
    assert (found.name, found.source) == (MODEL, f"hf://{REPOSITORY}@{COMMIT}/{MODEL}.pt")
    assert found.path.read_bytes() == weights
    assert found.sha256 == hashlib.sha256(weights).hexdigest()
    hub.requests.clear()
    assert person.resolves(found.source) == found
    assert hub.requests == []


def test_a_branch_is_looked_up_each_time_but_the_cache_serves_where_it_cannot_be(person: Person, hub: Hub) -> None:
    address = f"hf://{REPOSITORY}"
    found = person.resolves(address)
    hub.requests.clear()
    assert person.resolves(address) == found
    assert hub.requests
    assert hub.downloads() == []
    hub.failure = HTTPStatus.BAD_GATEWAY
    assert person.resolves(address) == found
    assert person.resolves(address, HF_HUB_OFFLINE="1") == found
    assert person.resolves(address, download=False) == found


def test_the_checkpoint_of_a_repository_is_found_or_must_be_named(person: Person, hub: Hub, weights: bytes) -> None:
    hub.files["someone/birds"] = {"a.txt": b"", "sub/best.safetensors": weights}
    assert person.resolves("hf://someone/birds").name == "best"
    hub.files["someone/birds"]["other.pt"] = weights
    refusal = person.is_refused("hf://someone/birds")
    assert refusal.kind == "UnknownModelError"
    assert "several: sub/best.safetensors, other.pt" in refusal.message
    hub.files["someone/birds"]["birds.safetensors"] = weights
    assert person.resolves("hf://someone/birds").name == "birds"
    hub.files["someone/birds"] = {"a.txt": b""}
    assert "has none" in person.is_refused("hf://someone/birds").message


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://someone/nothing", "no repository someone/nothing"),
        ("hf://someone/nothing/x.pt", "no repository someone/nothing"),
        (f"hf://{REPOSITORY}/nothing.pt", "has no file nothing.pt"),
        (f"hf://{REPOSITORY}/{MODEL}.pt@v9", "has no revision v9"),
        ("hf://some--one/nothing/x.pt", "no repository some--one/nothing"),
        ("hf://birds", "is not a hub address"),
        ("hf://", "is not a hub address"),
        (f"hf://{REPOSITORY}/../../x.pt", "is not a hub address"),
        (f"hf://{REPOSITORY}@../x.pt", "is not a hub address"),
        (f"hf://{REPOSITORY}/a b.pt@main@main", "is not a hub address"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(person: Person, address: str, message: str) -> None:
    refusal = person.is_refused(address)
    assert refusal.kind == "UnknownModelError"
    assert message in refusal.message


# Files.


def test_a_file_is_its_own_source(tmp_path: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIEVAL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my birds.v2.pt"
    path.write_bytes(weights)
    expected = zoo.Weights("my birds.v2", str(path), path, hashlib.sha256(weights).hexdigest())
    for given in (str(path), "my birds.v2.pt", "~/my birds.v2.pt", expected.source):
        assert zoo.resolve(given, download=False) == expected


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("missing.pt", "there is no file missing.pt: give another checkpoint"),
        ("/no/such/file.safetensors", "there is no file /no/such/file.safetensors"),
        ("birder-project/something", "or hf://birder-project/something for a repository of the hub"),
        ("~nobody-of-that-name/x.pt", "there is no file"),
        ("a\0b", "is neither a known model nor a file"),
        ("x" * 5000, "is neither a known model nor a file"),
        ("", "give the path of a .pt or .safetensors file"),
        (".", "give the path of a .pt or .safetensors file"),
    ],
)
def test_what_is_no_file_is_refused(model: str, message: str) -> None:
    with pytest.raises(zoo.UnknownModelError) as caught:
        zoo.resolve(model)
    assert message in str(caught.value)
