"""The Hugging Face hub, played by a server on this machine; each question is asked in a process of its own."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from speechtune.models.registry import load_encoder
from tests.support.encoders import save_random_model
from tests.support.processes import run_python

_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_REPOSITORY = "someone/something"


class _FakeHub(BaseHTTPRequestHandler):
    """Serves one folder as the repository `someone/something`, in the few answers that the hub's client needs."""

    def __init__(self, folder: Path, asked: list[str], *args: object) -> None:
        self._folder = folder
        self._asked = asked
        super().__init__(*args)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        path = self.path.split("?")[0]
        self._asked.append(f"{self.command} {path}")
        files = {file.name: file.read_bytes() for file in self._folder.iterdir()}
        name = path.rsplit("/", 1)[-1]
        if path.startswith(f"/api/models/{_REPOSITORY}/tree/"):
            listing = [
                {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for file, content in files.items()
            ]
            self._send(json.dumps(listing).encode(), with_body)
        elif path.startswith(f"/api/models/{_REPOSITORY}"):
            about = {"id": _REPOSITORY, "sha": _COMMIT, "siblings": [{"rfilename": file} for file in files]}
            self._send(json.dumps(about).encode(), with_body)
        elif path.startswith(f"/{_REPOSITORY}/resolve/") and name in files:
            self._send(files[name], with_body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound" if f"/{_REPOSITORY}/" in path else "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

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


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[Path, list[str], str]]:
    """The repository's folder, what was asked of the hub, and its address."""
    folder, asked = tmp_path / "repository", list[str]()
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_FakeHub, folder, asked))
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield folder, asked, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


_FETCH = """
    import sys
    from speechtune.models.hub import fetch_from_hub
    print(fetch_from_hub("someone/something"), end="")
    assert "torch" not in sys.modules
"""

_FAIL = """
    import time
    from speechtune import errors
    from speechtune.models import hub
    hub._TIMEOUT_SECONDS = 1.0
    began = time.monotonic()
    try:
        hub.fetch_from_hub({name!r})
    except errors.ModelError as error:
        print(type(error).__name__, error)
    assert time.monotonic() - began < 10, "took too long to give up"
"""


def test_a_hub_id_is_downloaded_once_and_then_found_without_asking(
    hub: tuple[Path, list[str], str], tmp_path: Path
) -> None:
    folder, asked, address = hub
    save_random_model("wavlm", folder, normalise=False)
    (folder / "huge.onnx").write_bytes(b"not needed")
    environment = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache")}
    fetched = run_python(_FETCH, **environment)
    assert sorted(path.name for path in Path(fetched).iterdir()) == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    assert load_encoder(fetched).family == "wavlm"
    asked.clear()
    assert run_python(_FETCH, **environment) == fetched
    assert asked == []


def test_pickled_weights_are_fetched_where_there_are_no_others(
    hub: tuple[Path, list[str], str], tmp_path: Path
) -> None:
    folder, asked, address = hub
    (folder / "config.json").write_text('{"model_type": "hubert"}')
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    environment = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache")}
    fetched = run_python(_FETCH, **environment)
    assert (Path(fetched) / "pytorch_model.bin").read_bytes() == b"pickled"
    asked.clear()
    assert run_python(_FETCH, **environment) == fetched
    assert asked == []


def test_a_model_of_another_family_is_refused_before_its_weights_are_fetched(
    hub: tuple[Path, list[str], str], tmp_path: Path
) -> None:
    folder, asked, address = hub
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(b"gigabytes")
    said = run_python(_FAIL.format(name=_REPOSITORY), HF_ENDPOINT=address, HF_HOME=str(tmp_path / "cache"))
    assert said.startswith("UnknownEncoderError")
    assert "model_type 'llama'; there is code for whisper" in said
    assert not any("safetensors" in question for question in asked)


@pytest.mark.parametrize("name", ["nobody/nothing", _REPOSITORY])
def test_a_model_that_the_hub_does_not_have_is_unknown(
    name: str, hub: tuple[Path, list[str], str], tmp_path: Path
) -> None:
    # The second name is there, but holds no config.json.
    said = run_python(_FAIL.format(name=name), HF_ENDPOINT=hub[2], HF_HOME=str(tmp_path / "cache"))
    assert said.startswith(f"UnknownEncoderError encoder {name!r}")
    assert "check the name" in said


def test_a_hub_that_refuses_the_connection_is_an_answer_at_once(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    said = run_python(_FAIL.format(name=_REPOSITORY), HF_ENDPOINT=address, HF_HOME=str(tmp_path))
    assert said.startswith(f"EncoderUnavailableError encoder {_REPOSITORY!r}")
    assert "give a local folder, or use a packaged encoder" in said


def test_a_hub_that_never_answers_is_given_up_soon(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        said = run_python(_FAIL.format(name=_REPOSITORY), HF_ENDPOINT=address, HF_HOME=str(tmp_path))
    assert said.startswith(f"EncoderUnavailableError encoder {_REPOSITORY!r}")
    assert "timed out" in said
