"""The wheels in environments of their own: what the light install does and lacks, and a device's client alone."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import speechtune
from speechtune import extras
from speechtune.cli.app import run
from speechtune.errors import MissingExtraError
from speechtune.extras import EXTRAS, missing_extra, need
from speechtune.models.checkpoints.checkpoint import save_checkpoint
from speechtune.models.export import export_onnx
from tests.support.clips import word_like, write_audio
from tests.support.encoders import random_checkpoint
from tests.support.environments import BareEnvironment, built_wheel
from tests.support.speech import REPOSITORY

MOST_BYTES = 300_000_000
HEAVY = ("torch", "torchaudio", "transformers", "datasets", "librosa", "scipy", "silero_vad")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]

DEVICE = """
import sys
import speechtune_client
with speechtune_client.CommandClient(sys.argv[1]) as client:
    found = client.recognize(open(sys.argv[2], "rb").read(), "WAV")
    events = list(client.stream([bytes(3_200)] * 10))
print(len(found.scores), type(events[0]).__name__, type(events[-1]).__name__)
print({"numpy", "torch", "speechtune"} & set(sys.modules))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_wheel(REPOSITORY, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def light(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> BareEnvironment:
    """The light install, with a checkpoint, its export and a clip beside it."""
    environment = BareEnvironment(tmp_path_factory.mktemp("light") / "environment", wheel)
    folder = environment.folder
    export_onnx(save_checkpoint(random_checkpoint(), folder / "model"), folder / "model.onnx")
    write_audio(folder / "clip.wav", word_like(3))
    return environment


@pytest.fixture(scope="module")
def address(light: BareEnvironment) -> Iterator[str]:
    """Of a server of the light install."""
    command = [str(light.program("speechtune")), "serve", "model.onnx", "--address", "127.0.0.1:0"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=light.folder, env=dict(light.environment)
    ) as process:
        try:
            for line in process.stderr or ():
                if found := re.search(r"serving model on (\S+:\d+)", line):
                    yield found[1]
                    break
            process.terminate()
            process.communicate(timeout=30)
            assert process.returncode == 0
        finally:
            process.kill()


def test_the_wheel_holds_what_is_needed_and_nothing_of_the_workshop(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = ("speechtune", "speechtune_server", "speechtune_client")
    assert {f"{package}/py.typed" for package in packages} <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == set(packages)
    shipped = [path for path in (REPOSITORY / "speechtune").rglob("*") if path.suffix in (".j2", ".json", ".ogg")]
    assert len(shipped) > 5
    assert {path.relative_to(REPOSITORY).as_posix() for path in shipped} <= set(names)


def test_the_light_install_is_small_and_brings_no_torch(light: BareEnvironment) -> None:
    assert light.num_bytes < MOST_BYTES
    program = f"""
import importlib.util
print([name for name in {HEAVY!r} if importlib.util.find_spec(name)])
"""
    assert light.run("python", "-c", program).stdout.strip() == "[]"


def test_the_light_install_recognises_what_the_full_one_does(
    light: BareEnvironment, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = json.loads(light.run("speechtune", "recognize", "model.onnx", "clip.wav").stdout)
    assert run(["recognize", str(light.folder / "model.onnx"), str(light.folder / "clip.wav")]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert printed["detections"] == expected["detections"]
    assert printed["scores"] == expected["scores"]
    program = 'import speechtune; print(speechtune.load("model.onnx").recognize("clip.wav").scores[0].label)'
    assert light.run("python", "-c", program).stdout.strip() == expected["scores"][0]["label"]


def test_a_client_alone_speaks_to_a_server_of_the_light_install(
    light: BareEnvironment, address: str, tmp_path: Path
) -> None:
    device = BareEnvironment(tmp_path / "device", built_wheel(REPOSITORY / "proto", tmp_path))
    said = device.run("python", "-c", DEVICE, address, str(light.folder / "clip.wav")).stdout.splitlines()
    assert said == ["4 Started Ended", "set()"]
    streamed = light.run("speechtune", "stream", "clip.wav", "--address", address).stdout.splitlines()
    assert [json.loads(line)["event"] for line in streamed][0 :: len(streamed) - 1] == ["started", "ended"]


VERBS = {
    "finetune clips --out new": "train",
    "evaluate model.onnx clips --out new": "train",
    "compare a.jsonl b.jsonl": "train",
    "search clips --out new.toml": "train,search",
    "add model clips --keywords go --out new": "train",
    "remove model --keywords yes --out new": "train",
    "mine model.onnx tapes --out new": "train",
    "export model --out new.onnx": "train",
    "inspect clips --out new": "train",
    "recognize model clip.wav": "train",
    "threshold model tapes": "train",
    "serve model --address 127.0.0.1:0": "train",
}


def test_the_light_install_says_the_one_command_that_brings_what_a_verb_lacks(light: BareEnvironment) -> None:
    for command, extra in {**dict(list(VERBS.items())[:1]), "recognize model clip.wav": "train"}.items():
        said = light.run("speechtune", *command.split(), exit_code=2).stderr.strip()
        assert said.splitlines()[-1].endswith(f"run: pip install 'speechtune[{extra}]'")
    assert not (light.folder / "new").exists()
    light.run("speechtune", "finetune", "--help")
    assert "none: does not exist" in light.run("speechtune", "recognize", "none", "clip.wav", exit_code=2).stderr


@pytest.mark.parametrize("command", VERBS)
def test_a_verb_that_lacks_an_extra_does_no_work(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_checkpoint(random_checkpoint(), tmp_path / "model")
    for extra in EXTRAS:
        monkeypatch.setitem(EXTRAS, extra, ("no_such_package",))
    assert run(command.split()) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.endswith(f"(no_such_package is not installed); run: pip install 'speechtune[{VERBS[command]}]'")
    assert not (tmp_path / "new").exists()


def test_python_says_the_command_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(EXTRAS, "train", ("no_such_package",))
    with pytest.raises(MissingExtraError, match=r"speechtune\.finetune needs the extra `train`.*speechtune\[train\]"):
        speechtune.finetune(tmp_path / "clips", tmp_path / "model")
    with pytest.raises(MissingExtraError, match=r"speechtune\.evaluate needs the extra `train`"):
        speechtune.evaluate(tmp_path / "model", tmp_path / "clips")
    save_checkpoint(random_checkpoint(), tmp_path / "model")
    with pytest.raises(MissingExtraError, match="the folder of a checkpoint"):
        speechtune.load(tmp_path / "model")


def test_an_import_that_nobody_foresaw_is_told_as_an_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert missing_extra(ModuleNotFoundError(name="of_no_extra")) is None
    monkeypatch.setattr("speechtune.models.opened.open_model", lambda *_: (_ for _ in ()).throw(_no_module("scipy")))
    assert run(["recognize", "model", "a.wav"]) == 2
    assert "pip install 'speechtune[train]'" in capsys.readouterr().err


def _no_module(name: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_nothing_is_said_where_all_is_there() -> None:
    need("this", "train")


def test_what_the_extras_bring_is_what_the_project_asks_for() -> None:
    optional = PROJECT["optional-dependencies"]
    assert set(EXTRAS) == set(optional) - {"all", "docs", "dev"}
    of_all = re.fullmatch(r"speechtune\[(.*)\]", *optional["all"])
    assert of_all is not None
    assert set(of_all[1].split(",")) == set(EXTRAS)
    packages = packages_distributions()
    for extra, names in EXTRAS.items():
        asked = [_normal(_name_of(one)) for one in optional[extra] if not one.startswith("speechtune[")]
        for name in names:
            found = tuple(_normal(one) for one in packages.get(name, [name]))
            assert any(one.startswith(found) for one in asked), f"{extra}: {name}"
        assert len(names) == len(asked), extra


def test_the_light_install_asks_for_nothing_of_an_extra() -> None:
    asked = {_normal(_name_of(one)) for one in PROJECT["dependencies"]}
    assert not asked & {_normal(_name_of(one)) for extra in EXTRAS for one in PROJECT["optional-dependencies"][extra]}
    assert extras.missing("train") == ()


def _name_of(requirement: str) -> str:
    return re.split(r"[\[<>=~!; ]", requirement)[0]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
