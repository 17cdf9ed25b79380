"""Checkpoints by their name on the Hugging Face hub, which a server on this machine plays for the real client."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest

from speechtune.models.checkpoints.checkpoint import save_checkpoint
from speechtune.models.checkpoints.files import read_summary
from speechtune.models.checkpoints.hub import HubName, hub_name, local_folder
from tests.support import hub as local_hub
from tests.support.clips import make_folder
from tests.support.encoders import random_checkpoint
from tests.support.processes import run_python

_REPOSITORY = "someone/lights"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "lights"
    save_checkpoint(random_checkpoint(thresholds={"yes": 0.3, "no": 0.3}), folder)
    return folder


@pytest.fixture
def hub(saved: Path) -> Iterator[tuple[list[str], str]]:
    """What was asked of a hub that has the checkpoint, and its address."""
    asked = list[str]()
    files = {file.name: file.read_bytes() for file in saved.iterdir()} | {"huge.onnx": b"not needed"}
    with local_hub.hub("models", _REPOSITORY, lambda: files, asked) as address:
        yield asked, address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("someone/lights", HubName("someone/lights")),
        ("someone/lights@v1.2", HubName("someone/lights", "v1.2")),
        ("someone/lights@refs/pr/3", HubName("someone/lights", "refs/pr/3")),
        ("hf://someone/lights", HubName("someone/lights")),
        ("hf://here/lights", HubName("here/lights")),
        ("lights", None),
        ("here/lights", None),  # the folder is here, and a model may be missing in it
        ("/models/lights", None),
        ("a/b/c", None),
        ("../lights", None),
        ("someone/lights.onnx", None),
        ("hf://lights", None),
        ("some one/lights", None),
    ],
)
def test_a_place_is_one_of_the_hub_only_if_it_can_be_no_other(
    text: str, expected: HubName | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    assert hub_name(PurePath(text)) == hub_name(Path(text)) == expected
    if expected is None:
        assert local_folder(Path(text)) == Path(text)


_IDENTIFY = """
    import sys
    from pathlib import Path
    from speechtune.models.opened import identify_model
    print(identify_model(Path(sys.argv[1])).digest, end="")
    assert "torch" not in sys.modules
"""

_OPEN = """
    import json, sys
    from pathlib import Path
    from speechtune.models.opened import open_model
    model = open_model(Path(sys.argv[1]))
    print(json.dumps([model.name, model.digest, model.facts["checkpoint"], model.facts["revision"]]))
"""


def test_a_model_is_fetched_once_and_then_opened_without_asking(
    hub: tuple[list[str], str], saved: Path, tmp_path: Path
) -> None:
    asked, address = hub
    environment = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home")}
    digest = run_python(_IDENTIFY, arguments=[_REPOSITORY], **environment)
    assert digest == read_summary(saved).digest
    assert not any("huge" in question for question in asked)
    asked.clear()
    name = f"hf://{_REPOSITORY}"
    opened = json.loads(run_python(_OPEN, arguments=[name], **environment))
    assert opened == ["lights", digest, str(Path(name)), local_hub.COMMIT]
    exact = f"{_REPOSITORY}@{local_hub.COMMIT}"
    assert run_python(_IDENTIFY, arguments=[exact], HF_HUB_OFFLINE="1", **environment) == digest
    assert asked == []


def test_verbs_take_the_name(hub: tuple[list[str], str], tmp_path: Path) -> None:
    data = make_folder(tmp_path / "data", {"yes": 3, "no": 3})
    verbs = [
        ["info", _REPOSITORY, "--json"],
        ["export", _REPOSITORY, "--out", str(tmp_path / "model.onnx")],
        ["remove", _REPOSITORY, "--keywords", "no", "--out", str(tmp_path / "fewer")],
    ]
    program = """
        import json, sys
        from speechtune.cli.app import run
        for verb in json.loads(sys.argv[1]):
            assert run(verb) == 0, verb
        assert run(["remove", "someone/lights", "--keywords", "no"]) == 2
        assert run(["finetune", sys.argv[2], "--from", "someone/gone", "--out", "more"]) == 2
    """
    environment = {"HF_ENDPOINT": hub[1], "HF_HOME": str(tmp_path / "home"), "PYTHONPATH": "."}
    run_python(program, arguments=[json.dumps(verbs), str(data)], **environment)
    assert (tmp_path / "model.onnx").is_file()
    assert (tmp_path / "fewer" / "checkpoint.json").is_file()


_FAIL = """
    import sys
    from pathlib import Path
    from speechtune import errors
    from speechtune.models.checkpoints import hub
    hub.TIMEOUT_SECONDS = 1.0
    try:
        hub.local_folder(Path(sys.argv[1]))
    except errors.ModelError as error:
        print(type(error).__name__, error)
"""


@pytest.mark.parametrize("name", ["nobody/nothing", f"{_REPOSITORY}@gone"])
def test_what_the_hub_does_not_have_is_not_found(name: str, hub: tuple[list[str], str], tmp_path: Path) -> None:
    said = run_python(_FAIL, arguments=[name], HF_ENDPOINT=hub[1], HF_HOME=str(tmp_path))
    assert said.startswith(f"CheckpointNotFoundError model {name}: no folder of that name is here")
    assert "hf auth login" in said


def test_another_programs_model_is_refused_before_its_weights_are_fetched(tmp_path: Path) -> None:
    asked, files = list[str](), {"config.json": b"{}", "model.safetensors": b"gigabytes"}
    with local_hub.hub("models", "someone/encoder", lambda: files, asked) as address:
        said = run_python(_FAIL, arguments=["someone/encoder"], HF_ENDPOINT=address, HF_HOME=str(tmp_path))
    assert said.startswith("CheckpointIncompatibleError model someone/encoder")
    assert "speechtune finetune DATA --encoder someone/encoder" in said
    assert not any("safetensors" in question for question in asked)


def test_an_impossible_name_is_not_asked_for(hub: tuple[list[str], str], tmp_path: Path) -> None:
    said = run_python(_FAIL, arguments=["someone/two--dashes"], HF_ENDPOINT=hub[1], HF_HOME=str(tmp_path))
    assert said.startswith("CheckpointNotFoundError model someone/two--dashes")
    assert "cannot be a Hugging Face id" in said
    assert hub[0] == []


def test_without_a_network_the_answer_comes_at_once(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    for environment in ({"HF_ENDPOINT": address}, {"HF_HUB_OFFLINE": "1"}):
        said = run_python(_FAIL, arguments=[_REPOSITORY], HF_HOME=str(tmp_path), **environment)
        assert said.startswith(f"HubUnavailableError model {_REPOSITORY}: no folder of that name is here, it is not in")
        assert "connect to the internet, or give a local folder" in said
