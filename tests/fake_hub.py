"""A Hugging Face Hub on loopback: repositories of files, ranges, redirects, and what can go wrong."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """Its repositories, its faults, and what it was asked.

    Attributes:
        repos: Files of each repository.
        refuse: HTTP status for a repository, with the hub's error code.
        cut: Bytes after which each transfer of a file breaks off; 0 for never.
        ranges: Whether it can begin in the middle.
        url: Where it listens.
        asked: Method, path and range of each request.
    """

    repos: dict[str, dict[str, bytes]]
    refuse: dict[str, tuple[int, str]] = field(default_factory=dict)
    cut: int = 0
    ranges: bool = True
    url: str = ""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator[FakeHub]:
        """Serves until the end of the block."""
        hub = self

        class Handler(_Handler):
            fake = hub

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    @property
    def transfers(self) -> list[str | None]:
        """The ranges of all transfers of files."""
        return [asked for method, path, asked in self.asked if method == "GET" and path.startswith("/cdn/")]


class _Handler(BaseHTTPRequestHandler):
    fake: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        path = self.path.split("?")[0]
        self.fake.asked.append((self.command, path, self.headers.get("Range")))
        repo = re.match(r"/(?:api/models|cdn)?/?([\w.-]+/[\w.-]+)", path)
        assert repo is not None
        status, code = self.fake.refuse.get(repo[1], (0, ""))
        if repo[1] not in self.fake.repos and not status:
            status, code = 404, "RepoNotFound"
        listing = path.startswith("/api/models/")
        if status and not (listing and code == "GatedRepo"):
            more = {"Retry-After": "77"} if status == 429 else {}
            self._send(status, b"{}", {"X-Error-Code": code} | more)
        elif listing:
            files = self.fake.repos[repo[1]]
            listed = [{"rfilename": name, "size": len(data), "blobId": "x"} for name, data in files.items()]
            answer = {"_id": "1", "id": repo[1], "modelId": repo[1], "sha": COMMIT, "siblings": listed}
            self._send(200, json.dumps(answer).encode(), {})
        else:
            self._file(repo[1], path)

    def _file(self, repo: str, path: str) -> None:
        name = path.split("/resolve/", 1)[-1].split("/", 1)[1] if "/resolve/" in path else path.split("/", 4)[4]
        data = self.fake.repos[repo].get(name)
        if data is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        elif not path.startswith("/cdn/"):
            etag = hashlib.sha256(data).hexdigest()
            elsewhere = self.fake.url.replace("127.0.0.1", "localhost")  # another host, as with the real hub
            linked = {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(data)), "X-Repo-Commit": COMMIT}
            self._send(302, b"", linked | {"Location": f"{elsewhere}/cdn/{repo}/{name}"})
        else:
            asked = self.headers.get("Range")
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.fake.ranges else 0
            ranged = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
            self._send(206 if start else 200, data[start:], {"Accept-Ranges": "bytes"} | ranged, self.fake.cut)

    def _send(self, status: int, body: bytes, headers: dict[str, str], cut: int = 0) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[:cut] if cut else body)
        if cut and len(body) > cut:
            self.close_connection = True
