"""The Hugging Face hub, played by a server on this machine: one repository, in the few answers its clients need.

It is read with the answers of any hub, and written to as far as one commit by the client's older way (LFS), which
`HF_HUB_DISABLE_XET=1` asks for.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Literal

COMMIT = "0123456789abcdef0123456789abcdef01234567"


Files = Mapping[str, bytes]


@dataclass
class Uploads:
    """What a user may write, and what was written.

    Attributes:
        token: of the only user who may write.
        files: of the commits, by their paths in the repository.
        messages: of the commits.
        created: what was asked for when the repository was made.
    """

    token: str
    files: dict[str, bytes] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    created: list[dict[str, object]] = field(default_factory=list)
    large: dict[str, bytes] = field(default_factory=dict)


class _Hub(BaseHTTPRequestHandler):
    def __init__(
        self,
        about: str,
        place: str,
        files: Callable[[], Files],
        asked: list[str],
        uploads: Uploads | None,
        *args: object,
    ) -> None:
        self._about, self._place, self._current_files, self._asked = about, place, files, asked
        self._uploads = uploads
        super().__init__(*args)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_PUT(self) -> None:
        assert self._uploads is not None
        self._uploads.large[self.path.rpartition("/")[2]] = self._body()
        self._send(b"", with_body=True)

    def do_POST(self) -> None:
        path, body = self.path.split("?")[0], self._body()
        self._asked.append(f"POST {path}")
        uploads = self._uploads
        if path == "/api/validate-yaml":
            self._send(b'{"errors": [], "warnings": []}', with_body=True)
        elif uploads is None or self.headers["Authorization"] != f"Bearer {uploads.token}":
            self._refuse("", 403)
        elif path == "/api/repos/create":
            uploads.created.append(json.loads(body))
            self._tell({"url": f"{self._own_address()}{self._place}"}, 409 if len(uploads.created) > 1 else 200)
        elif path == f"{self._about}/preupload/main":
            self._tell({"files": [self._upload_mode(file["path"]) for file in json.loads(body)["files"]]})
        elif path == f"{self._place}.git/info/lfs/objects/batch":
            objects = [
                one | {"actions": {"upload": {"href": f"{self._own_address()}/upload/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            self._tell({"transfer": "basic", "objects": objects})
        elif path == f"{self._about}/commit/main":
            self._commit(uploads, [json.loads(line) for line in body.splitlines()])
        else:
            self._refuse("RepoNotFound")

    def _upload_mode(self, path: str) -> dict[str, object]:
        return {
            "path": path,
            "uploadMode": "lfs" if path.endswith(".safetensors") else "regular",
            "shouldIgnore": False,
        }

    def _commit(self, uploads: Uploads, operations: list[dict[str, Any]]) -> None:
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "header":
                uploads.messages.append(value["summary"])
            elif operation["key"] == "file":
                uploads.files[value["path"]] = base64.b64decode(value["content"])
            else:
                uploads.files[value["path"]] = uploads.large[value["oid"]]
        self._tell({"commitUrl": f"{self._own_address()}{self._place}/commit/{COMMIT}", "commitOid": COMMIT})

    def _own_address(self) -> str:
        return f"http://{self.headers['Host']}"

    def _body(self) -> bytes:
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

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

    def _tell(self, answer: dict[str, object], status: int = 200) -> None:
        self._send(json.dumps(answer).encode(), with_body=True, status=status)

    def _refuse(self, code: str, status: int = 404) -> None:
        self.send_response(status)
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

    def _send(self, content: bytes, with_body: bool, status: int = 200) -> None:
        self.send_response(status)
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
    kind: Literal["models", "datasets"],
    repository: str,
    files: Callable[[], Files],
    asked: list[str] | None = None,
    uploads: Uploads | None = None,
) -> Iterator[str]:
    """The address of a hub that has `repository`.

    Args:
        kind: what the repository holds.
        repository: its id, such as `someone/something`.
        files: its files by their paths in it, as they are when it is asked.
        asked: is given every question, such as `GET /api/models/someone/something`.
        uploads: is given what is written. Defaults to nobody may write.
    """
    place = f"/{repository}" if kind == "models" else f"/datasets/{repository}"
    handler = partial(_Hub, f"/api/{kind}/{repository}", place, files, [] if asked is None else asked, uploads)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
