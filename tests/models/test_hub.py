"""Fetching from a hub, and all that can go wrong on the way, over real HTTP."""

import hashlib
import os
import socket
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

import pytest
from hub_server import COMMIT, Hub
from hub_users import MODEL, REPOSITORY, Person

from retrieval.models import known


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
