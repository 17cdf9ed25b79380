"""A checkpoint on the Hugging Face hub, which a server on this machine plays for the real client."""

from __future__ import annotations

import dataclasses
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from speechtune.cli.app import run
from speechtune.errors import CheckpointCorruptError, ConfigError
from speechtune.models.checkpoints.checkpoint import save_checkpoint
from speechtune.models.checkpoints.files import read_summary
from speechtune.models.checkpoints.hub import local_folder
from speechtune.models.checkpoints.model_card import CardFigure, own_figures, updated_metadata
from speechtune.models.for_transformers.folder import export_transformers
from speechtune.models.publishing import TRANSFORMERS_FILES, push_to_hub
from tests.support.clips import make_folder
from tests.support.encoders import random_checkpoint
from tests.support.hub import Uploads, hub
from tests.support.processes import run_python

_REPOSITORY = "someone/lights"
_TRAINING = {
    "cross_fitted": {"closed_set_accuracy": 0.96, "detection_rate": 0.94, "false_accept_rate": None},
    "false_accepts_on_talk": {"per_hour": 0.352, "minutes_heard": 2.43, "talk": "negative words strung together"},
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    checkpoint = dataclasses.replace(random_checkpoint(), training=_TRAINING)
    save_checkpoint(checkpoint, tmp_path / "lights")
    return tmp_path / "lights"


@pytest.fixture
def uploads() -> Uploads:
    return Uploads(token="hf_right")


@pytest.fixture
def address(uploads: Uploads) -> Iterator[str]:
    with hub("models", _REPOSITORY, lambda: uploads.files, uploads=uploads) as address:
        yield address


_PUSH = """
    import sys
    from speechtune.cli.app import run
    code = run(["push", *sys.argv[1:]])
    assert "torch" not in sys.modules
    assert code == 0
"""


def pushed(address: str, home: Path, *arguments: str, token: str = "hf_right") -> str:
    environment = {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}
    return run_python(_PUSH, arguments=arguments, **environment)


def test_what_is_pushed_is_the_checkpoint_and_opens_by_its_name(
    saved: Path, uploads: Uploads, address: str, tmp_path: Path
) -> None:
    (saved / "notes.txt").write_text("private")
    said = pushed(address, tmp_path / "home", str(saved), _REPOSITORY, "--private", "--dataset", "someone/words")
    assert said == f"{address}/{_REPOSITORY}\n"
    assert sorted(uploads.files) == ["README.md", "checkpoint.json", "recipe.toml", "weights.safetensors"]
    assert uploads.messages == ["Upload lights with speechtune"]
    assert uploads.created[0].get("private") or uploads.created[0]["visibility"] == "private"  # by the client's version
    for name in ("checkpoint.json", "recipe.toml", "weights.safetensors"):
        assert uploads.files[name] == (saved / name).read_bytes()
    card = ModelCard(uploads.files["README.md"].decode())
    assert card.data.datasets == ["someone/words"]
    assert f'speechtune recognize "{_REPOSITORY}" clip.wav' in card.text
    opened = run_python(
        f"""
        from pathlib import Path
        from speechtune.models.opened import identify_model
        print(identify_model(Path({_REPOSITORY!r})).digest, end="")
        """,
        HF_ENDPOINT=address,
        HF_HOME=str(tmp_path / "another"),
    )
    assert opened == read_summary(saved).digest


def test_the_card_tells_the_checkpoints_own_figures_as_estimates(saved: Path) -> None:
    data = ModelCard((saved / "README.md").read_text()).data
    assert (data.library_name, data.pipeline_tag) == ("speechtune", "audio-classification")
    assert data.tags == ["speechtune", "keyword-spotting", "speech-commands"]
    assert data.metrics == ["accuracy", "detection_rate", "false_accepts_per_hour"]
    assert [(result.metric_type, result.metric_value) for result in data.eval_results] == [
        ("accuracy", 0.96),
        ("detection_rate", 0.94),
        ("false_accepts_per_hour", 0.352),
    ]
    assert all("estimated" in result.metric_name for result in data.eval_results)
    assert data.eval_results[2].dataset_name == "2.43 minutes of talk: negative words strung together"
    assert own_figures({}) == own_figures({"false_accepts_on_talk": "not known: no recorded talk"}) == ()


def test_figures_of_a_report_go_into_the_card_if_they_are_of_this_checkpoint(
    saved: Path, uploads: Uploads, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, report = make_folder(tmp_path / "data", {"yes": 3, "no": 3}), tmp_path / "report"
    assert run(["evaluate", str(saved), str(data), "--out", str(report)]) == 0
    pushed(address, tmp_path / "home", str(saved), _REPOSITORY, "--report", str(report))
    metrics = json.loads((report / "metrics.json").read_text())
    card = ModelCard(uploads.files["README.md"].decode())
    measured = {result.metric_name: result for result in card.data.eval_results}
    name = next(name for name in measured if name.startswith("Accuracy, keywords alone (95 %"))
    assert measured[name].metric_value == metrics["closed_set_accuracy"]
    assert measured[name].dataset_name == f"6 test clips, version {metrics['data_fingerprint'][:12]}"
    assert "## How good it is" in card.text
    other = save_checkpoint(random_checkpoint(thresholds={"yes": 0.1, "no": 0.1}), tmp_path / "other")
    capsys.readouterr()
    assert run(["push", str(tmp_path / "other"), _REPOSITORY, "--report", str(report)]) == 2
    assert f"not of {other.digest[:12]}; evaluate the checkpoint that is pushed" in capsys.readouterr().err
    assert run(["push", str(saved), _REPOSITORY, "--report", str(tmp_path)]) == 2
    assert "has neither metrics.json nor" in capsys.readouterr().err


def test_a_card_that_a_person_wrote_keeps_its_text_and_gets_the_metadata() -> None:
    card = "---\nlicense: mit\ndatasets: a/b\n---\n# Mine\n\nText of mine.\n"
    figure = CardFigure("accuracy", "Accuracy", 0.5, "ten clips", "clips")
    changed = ModelCard(updated_metadata(card, figures=[figure], datasets=["c/d", "a/b"], name="someone/lights"))
    assert changed.text.strip() == "# Mine\n\nText of mine."
    assert (changed.data.license, changed.data.datasets) == ("mit", ["a/b", "c/d"])
    assert [result.metric_value for result in changed.data.eval_results] == [0.5]
    with pytest.raises(ConfigError, match="metadata cannot be read"):
        updated_metadata("---\n[1, 2\n---\n", figures=[], datasets=[], name="x")


def test_a_folder_for_transformers_is_pushed_as_it_is(
    saved: Path, uploads: Uploads, address: str, tmp_path: Path
) -> None:
    export_transformers(saved, tmp_path / "out")
    pushed(address, tmp_path / "home", str(tmp_path / "out"), _REPOSITORY, "--dataset", "someone/words")
    assert set(uploads.files) == TRANSFORMERS_FILES
    for name in TRANSFORMERS_FILES - {"README.md"}:
        assert uploads.files[name] == (tmp_path / "out" / name).read_bytes()
    card = ModelCard(uploads.files["README.md"].decode())
    assert (card.data.library_name, card.data.datasets) == ("transformers", ["someone/words"])
    assert f'pipeline("audio-classification", "{_REPOSITORY}", trust_remote_code=True)' in card.text
    assert len(card.data.eval_results) == 3
    (tmp_path / "out" / "model.safetensors").unlink()
    with pytest.raises(CheckpointCorruptError, match=r"model.safetensors is missing"):
        push_to_hub(tmp_path / "out", _REPOSITORY, token="hf_right")


def test_a_user_who_may_not_write_is_told_what_to_do(
    saved: Path, uploads: Uploads, address: str, tmp_path: Path
) -> None:
    environment = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
    program = """
        import sys
        from pathlib import Path
        from speechtune import errors
        from speechtune.models.publishing import push_to_hub
        for token in (None, "hf_wrong"):
            try:
                push_to_hub(Path(sys.argv[1]), "someone/lights", token=token)
            except errors.ConfigError as error:
                print(error)
    """
    said = run_python(program, arguments=[str(saved)], HF_TOKEN="", **environment).splitlines()
    assert "no token for the Hugging Face hub; set the variable HF_TOKEN" in said[0]
    assert "push someone/lights: the Hugging Face hub refuses it" in said[1]
    assert uploads.files == {}


def test_without_a_network_the_answer_is_clear(saved: Path, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    said = run_python(
        """
        import sys
        from pathlib import Path
        from speechtune import errors
        from speechtune.models.publishing import push_to_hub
        try:
            push_to_hub(Path(sys.argv[1]), "someone/lights")
        except errors.HubUnavailableError as error:
            print(error)
        """,
        arguments=[str(saved)],
        HF_ENDPOINT=address,
        HF_HOME=str(tmp_path),
        HF_TOKEN="hf_right",
    )
    assert said.startswith("push someone/lights: the Hugging Face hub cannot be reached (")


def test_what_cannot_be_pushed_is_refused_before_anybody_is_asked(saved: Path, tmp_path: Path) -> None:
    for name in ("lights", "some one/lights", "someone/lights@v1", "a/b/c"):
        with pytest.raises(ConfigError, match="write organisation/name"):
            push_to_hub(saved, name)
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(ConfigError, match="is a file"):
        push_to_hub(tmp_path / "model.onnx", _REPOSITORY)
    assert local_folder(saved) == saved
