"""Names to weights: against a real HTTP server, each resolution in a process of its own, as users have it."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import pytest
from hub_server import COMMIT, Hub, running_hub
from tiny import tiny_checkpoint

from retrieval.models import checkpoint, known, zoo

MODEL = "vit_reg4_tiny_test"
REPOSITORY = f"birder-project/{MODEL}"
RESOLVE = """
import json, os, sys, types
from retrieval.errors import ModelError
from retrieval.models import zoo
zoo.KNOWN = types.MappingProxyType({**zoo.KNOWN, **json.loads(os.environ["PINS"])})
assert not sys.modules.keys() & {"torch", "huggingface_hub"}
try:
    weights = zoo.resolve(sys.argv[1], download=sys.argv[2] == "download")
    answer = [weights.name, weights.source, str(weights.path), weights.sha256]
except ModelError as error:
    answer = [type(error).__name__, str(error)]
print(json.dumps([*answer, sorted(sys.modules.keys() & {"torch", "httpx", "httpx2", "requests"})]))
"""


@dataclass(frozen=True)
class Resolution:
    name: str
    source: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Refusal:
    kind: str
    message: str
    elapsed_s: float


class Person:
    """Someone with a cache of their own, who resolves names against a hub."""

    def __init__(self, folder: Path, endpoint: str, **pins: str) -> None:
        self.cache = folder / "hf" / "hub"
        foreign = ("HF_", "HUGGINGFACE", "TRANSFORMERS", "XDG_", "RETRIEVAL_", "DO_NOT", "DISABLE_")
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        self.environment |= {
            "HF_HOME": str(folder / "hf"),
            "HF_ENDPOINT": endpoint,
            "RETRIEVAL_CACHE_DIR": str(folder / "cache"),
            "NO_PROXY": "127.0.0.1",
            "PINS": json.dumps(pins),
        }
        self.libraries: list[str] = []  # that the last resolution loaded
        self.chatter = ""  # what it said on stderr

    def _run(self, model: str, download: bool, settings: dict[str, str]) -> tuple[list[str], float]:
        started = time.monotonic()
        command = [sys.executable, "-c", RESOLVE, model, "download" if download else "here"]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment | settings, timeout=100, check=False
        )
        self.chatter = done.stderr
        assert done.returncode == 0, done.stderr
        *answer, self.libraries = json.loads(done.stdout)
        return answer, time.monotonic() - started

    def resolves(self, model: str, *, download: bool = True, **settings: str) -> Resolution:
        answer, _ = self._run(model, download, settings)
        assert len(answer) == 4, answer
        return Resolution(answer[0], answer[1], Path(answer[2]), answer[3])

    def is_refused(self, model: str, *, download: bool = True, **settings: str) -> Refusal:
        answer, elapsed_s = self._run(model, download, settings)
        assert len(answer) == 2, answer
        assert "\n" not in answer[1]
        return Refusal(answer[0], answer[1], elapsed_s)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return tiny_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors").read_bytes()


@pytest.fixture
def hub(weights: bytes) -> Iterator[Hub]:
    with running_hub() as hub:
        hub.files[REPOSITORY] = {f"{MODEL}.pt": weights, "README.md": b"# A model"}
        yield hub


@pytest.fixture
def person(tmp_path: Path, hub: Hub, weights: bytes) -> Person:
    return Person(tmp_path, hub.url, **{MODEL: hashlib.sha256(weights).hexdigest()})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


def test_the_pinned_names_are_the_published_ones() -> None:
    assert known.FLAGSHIP == "vit_reg4_b16_mim-intermediate-arabian-peninsula"
    assert zoo.KNOWN[known.FLAGSHIP].startswith("78dbf578")
    assert zoo.KNOWN["vitreg4_b16_mim-intermediate-arabian-peninsula"].startswith("e011f931")
    assert all(len(digest) == 64 for digest in zoo.KNOWN.values())


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


def test_content_of_another_digest_is_not_used_and_is_replaced_at_the_next_try(
    person: Person, hub: Hub, weights: bytes
) -> None:
    hub.sent[f"{MODEL}.pt"] = weights[:-1] + b"?"
    for model in (MODEL, f"hf://{REPOSITORY}/{MODEL}.pt"):
        refusal = person.is_refused(model)
        assert refusal.kind == "DownloadError"
        assert "arrived damaged" in refusal.message
    hub.sent.clear()
    assert person.resolves(MODEL).path.read_bytes() == weights


def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(person: Person, hub: Hub, weights: bytes) -> None:
    path = person.resolves(MODEL).path
    path.resolve().write_bytes(bytes(len(weights)))
    assert person.is_refused(MODEL, download=False).kind == "DownloadError"
    assert person.is_refused(f"hf://{REPOSITORY}/{MODEL}.pt", download=False).kind == "DownloadError"
    assert person.resolves(MODEL).path.read_bytes() == weights
    path.resolve().write_bytes(bytes(len(weights)))
    assert person.resolves(f"hf://{REPOSITORY}@{COMMIT}/{MODEL}.pt").path.read_bytes() == weights


@pytest.mark.parametrize("reference", [b"", b"../../../", COMMIT.encode()])
def test_a_broken_cache_is_as_good_as_none(person: Person, weights: bytes, reference: bytes) -> None:
    folder = person.cache / f"models--{REPOSITORY.replace('/', '--')}" / "refs"
    folder.mkdir(parents=True)
    (folder / "main").write_bytes(reference)
    assert person.is_refused(MODEL, download=False).kind == "DownloadError"
    assert person.resolves(MODEL).path.read_bytes() == weights


def test_a_broken_connection_is_resumed(tmp_path: Path, hub: Hub) -> None:
    content = os.urandom(13 * 2**20)
    hub.files[REPOSITORY][f"{MODEL}.pt"] = content
    hub.break_after = 11 * 2**20
    person = Person(tmp_path, hub.url, **{MODEL: hashlib.sha256(content).hexdigest()})
    assert person.resolves(MODEL).path.read_bytes() == content
    whole, rest = (request.partition("bytes=")[2] for request in hub.downloads())
    assert whole == ""
    assert int(rest.removesuffix("-")) >= 10 * 2**20, "the client writes in pieces of ten megabytes"


def test_a_hub_out_of_reach_is_reported_within_seconds(tmp_path: Path) -> None:
    person = Person(tmp_path, f"http://127.0.0.1:{free_port()}")
    for model in (known.FLAGSHIP, "hf://someone/something", "hf://someone/something/file.pt"):
        refusal = person.is_refused(model)
        assert refusal.kind == "UnreachableError"
        assert refusal.elapsed_s < 10
        for way in ("give a checkpoint file", "HF_ENDPOINT", "fetch it once where there is a connection"):
            assert way in refusal.message


def test_a_hub_that_does_not_answer_is_given_up_after_one_timeout(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        person = Person(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}")
        refusal = person.is_refused(known.FLAGSHIP, HF_HUB_ETAG_TIMEOUT="1")
    assert refusal.kind == "UnreachableError"
    assert refusal.elapsed_s < 8


def test_a_failing_hub_is_reported(person: Person, hub: Hub) -> None:
    hub.failure = HTTPStatus.SERVICE_UNAVAILABLE
    refusal = person.is_refused(MODEL)
    assert refusal.kind == "UnreachableError"
    assert "503" in refusal.message


def test_offline_mode_is_obeyed_and_named(person: Person, hub: Hub) -> None:
    for model in (MODEL, f"hf://{REPOSITORY}", f"hf://{REPOSITORY}/{MODEL}.pt"):
        refusal = person.is_refused(model, HF_HUB_OFFLINE="1")
        assert refusal.kind == "UnreachableError"
        assert "HF_HUB_OFFLINE is set" in refusal.message
    assert hub.requests == []


def test_a_gated_repository_says_how_to_get_permission(person: Person, hub: Hub) -> None:
    hub.gated.add(REPOSITORY)
    refusal = person.is_refused(MODEL)
    assert refusal.kind == "DownloadError"
    assert "accept its conditions" in refusal.message
    assert "HF_TOKEN" in refusal.message


def test_a_file_larger_than_the_disk_is_not_begun(person: Person, hub: Hub) -> None:
    hub.stated_size = 10**18
    refusal = person.is_refused(MODEL)
    assert refusal.kind == "DownloadError"
    assert "takes 1000000000000 MB, but only" in refusal.message
    assert hub.downloads() == []


def test_the_users_own_telemetry_setting_stands(person: Person) -> None:
    code = "import os; from retrieval.models import hub; hub._client(); print(os.environ['HF_HUB_DISABLE_TELEMETRY'])"
    for settings, expected in (({}, "1"), ({"HF_HUB_DISABLE_TELEMETRY": "0"}, "0")):
        done = subprocess.run(
            [sys.executable, "-c", code], env=person.environment | settings, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == expected


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
