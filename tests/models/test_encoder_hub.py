"""The Hugging Face hub, played by a server on this machine; each question is asked in a process of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from speechtune.models.encoders.loading import load_encoder
from tests.support import hub as local_hub
from tests.support.encoders import save_random_model
from tests.support.processes import run_python

_REPOSITORY = "someone/something"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[Path, list[str], str]]:
    """The repository's folder, what was asked of the hub, and its address."""
    folder, asked = tmp_path / "repository", list[str]()
    folder.mkdir()

    def files() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    with local_hub.hub("models", _REPOSITORY, files, asked) as address:
        yield folder, asked, address


_FETCH = """
    import sys
    from speechtune.models.encoders.hub import fetch_from_hub
    print(fetch_from_hub("someone/something"), end="")
    assert "torch" not in sys.modules
"""

_FAIL = """
    import time
    from speechtune import errors
    from speechtune.models.encoders import hub
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
