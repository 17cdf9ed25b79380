"""A hub of data sets on this machine: one repository, in the few answers that `datasets` needs of one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

_COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _DatasetHub(BaseHTTPRequestHandler):
    def __init__(self, repository: str, files: Mapping[str, bytes], *args: object) -> None:
        self._repository, self._files = repository, files
        super().__init__(*args)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        path = self.path.split("?")[0]
        about, tree = f"/api/datasets/{self._repository}", f"/api/datasets/{self._repository}/tree/"
        file = path.removeprefix(f"/datasets/{self._repository}/resolve/").partition("/")[2]
        if path.startswith(tree):
            self._send(json.dumps(self._listing(path.removeprefix(tree).partition("/")[2])).encode(), with_body)
        elif path.startswith(about):
            siblings = [{"rfilename": name} for name in self._files]
            self._send(json.dumps({"id": self._repository, "sha": _COMMIT, "siblings": siblings}).encode(), with_body)
        elif file in self._files:
            self._send(self._files[file], with_body)
        else:
            self.send_response(404)
            is_there = f"/{self._repository}/" in path
            self.send_header("X-Error-Code", "EntryNotFound" if is_there else "RepoNotFound")
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
        self.send_header("X-Repo-Commit", _COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing on the terminal."""


@contextmanager
def dataset_hub(repository: str, files: Mapping[str, bytes]) -> Iterator[str]:
    """The address of a hub that has `repository`, with these files by their paths in it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_DatasetHub, repository, files))
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
