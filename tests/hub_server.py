"""A model hub small enough for tests: real HTTP on the loopback interface, speaking what the hub's client asks."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_FILE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
_LISTING = re.compile(r"/api/models/(?P<repository>[^/]+/[^/]+)/revision/(?P<revision>[^/]+)")


@dataclass
class Hub:
    """What the hub holds, how it misbehaves, and what it was asked."""

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)  # repository -> file -> content
    gated: set[str] = field(default_factory=set)
    sent: dict[str, bytes] = field(default_factory=dict)  # file -> what is sent in place of its content
    stated_size: int | None = None  # in place of the true one
    break_after: int | None = None  # bytes of the next download that arrive before the connection breaks
    failure: HTTPStatus | None = None  # the answer to everything
    requests: list[str] = field(default_factory=list)  # "GET /path" and, of a part, " bytes=..."

    def downloads(self) -> list[str]:
        """The requests for content, of the whole or of a part."""
        return [request for request in self.requests if request.startswith("GET") and "/resolve/" in request]


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub on a free port of 127.0.0.1, gone when the block is left."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: ClassVar[Hub]

    def log_message(self, *_: object) -> None:
        """Tests read `Hub.requests`, nobody reads stderr."""

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        part = self.headers.get("Range")
        self.hub.requests.append(f"{self.command} {self.path}" + (f" {part}" if part else ""))
        if self.hub.failure is not None:
            self._refuse(self.hub.failure, "")
        elif match := _FILE.fullmatch(self.path):
            self._serve_file(match["repository"], match["revision"], match["file"])
        elif match := _LISTING.fullmatch(self.path):
            self._serve_listing(match["repository"])
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "")

    def _serve_file(self, repository: str, revision: str, file: str) -> None:
        if repository in self.hub.gated:
            self._refuse(HTTPStatus.FORBIDDEN, "GatedRepo")
        elif repository not in self.hub.files:
            self._refuse(HTTPStatus.UNAUTHORIZED, "RepoNotFound")
        elif revision not in ("main", COMMIT):
            self._refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound")
        elif file not in self.hub.files[repository]:
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound")
        else:
            self._send_file(self.hub.files[repository][file], self.hub.sent.get(file))

    def _send_file(self, content: bytes, sent: bytes | None) -> None:
        digest = hashlib.sha256(content).hexdigest()
        body = content if sent is None else sent
        start = int(self.headers["Range"].removeprefix("bytes=").partition("-")[0]) if self.headers["Range"] else 0
        self.send_response(HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{digest}"')
        self.send_header("X-Linked-Etag", f'"{digest}"')
        self.send_header("X-Linked-Size", str(self.hub.stated_size or len(content)))
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if self.command == "GET":
            self._send_body(body[start:])

    def _send_body(self, body: bytes) -> None:
        if self.hub.break_after is None:
            self.wfile.write(body)
            return
        self.wfile.write(body[: self.hub.break_after])
        self.hub.break_after = None
        self.close_connection = True

    def _serve_listing(self, repository: str) -> None:
        files = self.hub.files.get(repository)
        if files is None:
            self._refuse(HTTPStatus.UNAUTHORIZED, "RepoNotFound")
            return
        listing = {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
        body = json.dumps(listing).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: HTTPStatus, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
