"""The Hugging Face hub, played by a server on this machine: one repository, in the few answers its clients need."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Literal

COMMIT = "0123456789abcdef0123456789abcdef01234567"


Files = Mapping[str, bytes]


class _Hub(BaseHTTPRequestHandler):
    def __init__(self, about: str, place: str, files: Callable[[], Files], asked: list[str], *args: object) -> None:
        self._about, self._place, self._current_files, self._asked = about, place, files, asked
        super().__init__(*args)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        path = self.path.split("?")[0]
        self._asked.append(f"{self.command} {path}")
        self._files = self._current_files()
        tree = f"{self._about}/tree/"
        revision, _, file = path.removeprefix(f"{self._place}/resolve/").partition("/")
        if path.startswith(f"{self._place}/resolve/") and revision not in ("main", COMMIT):
            self._refuse("RevisionNotFound")
        elif path.startswith(tree):
            self._send(json.dumps(self._listing(path.removeprefix(tree).partition("/")[2])).encode(), with_body)
        elif path.startswith(self._about):
            siblings = [{"rfilename": name} for name in self._files]
            about = {"id": self._place.removeprefix("/"), "sha": COMMIT, "siblings": siblings}
            self._send(json.dumps(about).encode(), with_body)
        elif path.startswith(f"{self._place}/resolve/") and file in self._files:
            self._send(self._files[file], with_body)
        else:
            self._refuse("EntryNotFound" if path.startswith(f"{self._place}/") else "RepoNotFound")

    def _refuse(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _listing(self, folder: str) -> list[dict[str, object]]:
        """What lies directly in a folder of the repository."""
        parts = [name.rpartition("/") for name in self._files]
        files = [
            {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
            for (parent, _, _), (name, content) in zip(parts, self._files.items(), strict=True)
            if parent == folder
        ]
        folders = {parent for parent, _, _ in parts if parent and not folder}
        return [*files, *({"type": "directory", "path": name, "size": 0, "oid": "0" * 40} for name in folders)]

    def _send(self, content: bytes, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing on the terminal."""


@contextmanager
def hub(
    kind: Literal["models", "datasets"], repository: str, files: Callable[[], Files], asked: list[str] | None = None
) -> Iterator[str]:
    """The address of a hub that has `repository`.

    Args:
        kind: what the repository holds.
        repository: its id, such as `someone/something`.
        files: its files by their paths in it, as they are when it is asked.
        asked: is given every question, such as `GET /api/models/someone/something`.
    """
    place = f"/{repository}" if kind == "models" else f"/datasets/{repository}"
    handler = partial(_Hub, f"/api/{kind}/{repository}", place, files, [] if asked is None else asked)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
