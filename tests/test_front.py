"""What `import speechtune` offers: it costs nothing, its examples are true, and it is the use cases of the library."""

from __future__ import annotations

import doctest
import json
from pathlib import Path

import numpy as np
import pytest

import speechtune
from speechtune import front
from speechtune.cli.app import run
from speechtune.errors import (
    CheckpointNotFoundError,
    ConfigError,
    SessionGrammarError,
    SpeechTuneError,
    UnknownLabelError,
    UnreadableAudioError,
    UnsupportedAudioError,
)
from speechtune.models.checkpoints.checkpoint import save_checkpoint
from speechtune.models.export import export_onnx
from speechtune.recognition import Recognizer
from speechtune.streaming.events import Detection, Rejected
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.encoders import random_checkpoint, save_random_model
from tests.support.processes import run_python
from tests.support.streaming import talk

RECIPE = """
[encoder]
name = "encoder"
[augment]
copies = 1
[head]
silence_clips = 5
running_speech = 0
background_speech = 0
max_iterations = 5
[calibration]
folds = 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips, test clips, an encoder, a recipe that is quickly done, a checkpoint, and its export."""
    root = tmp_path_factory.mktemp("notebook")
    make_folder(root / "clips", {"yes": 4, "no": 4, "cat": 4, "dog": 4})
    make_folder(root / "test-clips", {"yes": 2, "no": 3, "cat": 2})
    write_audio(root / "yes.wav", word_like(3))
    save_random_model("whisper", root / "encoder")
    (root / "recipe.toml").write_text(RECIPE)
    export_onnx(save_checkpoint(random_checkpoint(), root / "given"), root / "given.onnx")
    return root


@pytest.fixture
def model(folder: Path) -> Recognizer:
    return speechtune.load(folder / "given")


def test_the_examples_are_true(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    examples = doctest.DocTestFinder(exclude_empty=True).find(front)
    # In the order of a notebook: what is made first is opened and judged then.
    of_name = {example.name.rpartition(".")[2]: example for example in examples if example.examples}
    assert set(of_name) == {"finetune", "load", "evaluate"}
    runner = doctest.DocTestRunner()
    for name in ("finetune", "load", "evaluate"):
        runner.run(of_name[name])
    assert runner.summarize(verbose=False).failed == 0
    assert (folder / "model" / "weights.safetensors").is_file()
    assert (folder / "report" / "report.html").is_file()


def test_importing_it_imports_nothing_that_is_heavy_and_offers_six_names() -> None:
    program = """
    import sys
    import speechtune
    assert set(speechtune.__all__) <= set(dir(speechtune))
    assert not {"torch", "numpy", "pydantic", "onnxruntime", "grpc"} & set(sys.modules)
    from speechtune import *
    print(sorted(name for name in globals() if not name.startswith("_") and name not in ("sys", "speechtune")))
    assert Recipe is speechtune.Recipe
    speechtune.load, speechtune.Detection
    assert "torch" not in sys.modules
    """
    assert run_python(program).strip() == "['Detection', 'Recipe', 'evaluate', 'finetune', 'load', 'push_to_hub']"


def test_a_name_that_is_not_there_is_told_as_ever() -> None:
    with pytest.raises(AttributeError, match="module 'speechtune' has no attribute 'train'"):
        speechtune.train  # type: ignore[attr-defined]  # noqa: B018


def test_an_exported_file_hears_without_torch_what_its_checkpoint_hears(folder: Path) -> None:
    program = f"""
    import sys
    import speechtune
    found = speechtune.load({str(folder / "given.onnx")!r}).recognize({str(folder / "yes.wav")!r})
    assert "torch" not in sys.modules
    print([score.label for score in found.scores])
    """
    expected = speechtune.load(folder / "given").recognize(folder / "yes.wav")
    assert run_python(program).strip() == str([score.label for score in expected.scores])


def test_recognize_gives_what_the_command_line_prints(
    folder: Path, model: Recognizer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["recognize", str(folder / "given"), str(folder / "yes.wav")]) == 0
    printed = json.loads(capsys.readouterr().out)
    found = model.recognize(str(folder / "yes.wav"))
    assert [round(score.confidence, 6) for score in found.scores] == [one["confidence"] for one in printed["scores"]]
    assert [hit.start_offset for hit in found.detections] == [one["start_offset"] for one in printed["detections"]]
    assert sum(score.confidence for score in found.scores) == pytest.approx(1.0, abs=1e-5)


def test_a_file_its_samples_and_its_16_bit_values_are_the_same_clip(folder: Path, model: Recognizer) -> None:
    values = (np.clip(word_like(3), -1, 1) * 32767).round().astype(np.int16)
    write_audio(folder / "exact.wav", values)
    expected = model.recognize(folder / "exact.wav")
    assert model.recognize(values) == expected
    assert model.recognize(values.astype(np.float64) / 32768) == expected


def test_samples_at_another_rate_are_resampled(model: Recognizer) -> None:
    time = np.arange(48_000) / 48_000
    tone = 0.3 * np.sin(2 * np.pi * 440 * time)
    found, same = model.recognize(tone, rate_hz=48_000), model.recognize(tone[::3])
    assert [score.label for score in found.scores] == [score.label for score in same.scores]
    pairs = zip(found.scores, same.scores, strict=True)
    assert all(one.confidence == pytest.approx(other.confidence, abs=0.02) for one, other in pairs)


def test_a_stream_finds_the_same_however_it_is_fed(model: Recognizer) -> None:
    spoken = talk(5)
    values = (spoken * 32767).round().astype("<i2")
    found = []
    for pieces in (
        [values.tobytes()[start : start + 1_001] for start in range(0, 2 * len(values), 1_001)],
        [values[start : start + 333] for start in range(0, len(values), 333)],
        [values.astype(np.float32) / 32768],
        [bytearray(values.tobytes()), memoryview(b"")],
    ):
        stream = model.stream()
        events = [event for piece in pieces for event in stream.feed(piece)] + stream.finish()
        found.append([event for event in events if isinstance(event, Detection | Rejected)])
    assert len(found[0]) >= 2
    places = [[(type(event), event.start_sample, event.end_sample) for event in events] for events in found]
    assert all(one == places[0] for one in places)
    surenesses = [[event.confidence for event in events] for events in found]
    assert np.allclose(surenesses, surenesses[0], atol=1e-4)  # windows are scored in other batches


def test_a_stream_reports_the_commands_that_are_asked_for_and_many_go_side_by_side(folder: Path) -> None:
    model = speechtune.load(folder / "given")
    labels = {event.label for event in _detections(model.stream(commands=["yes"]))}
    assert labels <= {"yes"}
    first, second = model.stream(), model.stream()
    spoken = talk(4)
    alone = [*model.stream().feed(spoken)]
    assert first.feed(spoken) == second.feed(spoken) == alone


def _detections(stream: object) -> list[speechtune.Detection]:
    events = stream.feed(talk(5)) + stream.finish()  # type: ignore[attr-defined]
    return [event for event in events if isinstance(event, speechtune.Detection)]


def test_what_cannot_be_heard_is_refused_with_what_to_do(folder: Path, model: Recognizer) -> None:
    stream = model.stream()
    stream.finish()
    with pytest.raises(SessionGrammarError, match="open a new session"):
        stream.feed(b"")
    with pytest.raises(UnreadableAudioError, match=r"none\.wav"):
        model.recognize(folder / "none.wav")
    with pytest.raises(UnreadableAudioError, match="no samples"):
        model.recognize(np.zeros(0, np.float32))
    with pytest.raises(UnsupportedAudioError, match="4000 Hz"):
        model.recognize(np.zeros(8, np.float32), rate_hz=4_000)
    with pytest.raises(UnsupportedAudioError, match="1 Hz"):
        model.stream(rate_hz=1)
    with pytest.raises(UnknownLabelError, match="it has: yes, no"):
        model.stream(commands=["maybe"])


def test_what_cannot_be_opened_or_done_is_refused_before_any_work(folder: Path) -> None:
    with pytest.raises(CheckpointNotFoundError):
        speechtune.load(folder / "none")
    with pytest.raises(ConfigError, match="backend 'tpu': use torch, torch-bf16, onnx, onnx-int8"):
        speechtune.load(folder / "given", backend="tpu")
    with pytest.raises(ConfigError, match="runs as it was exported"):
        speechtune.load(folder / "given.onnx", backend="onnx")
    with pytest.raises(ConfigError, match="device 'tpu'"):
        speechtune.finetune(folder / "clips", folder / "new", device="tpu")
    with pytest.raises(ConfigError, match=r"no\.toml"):
        speechtune.finetune(folder / "clips", folder / "new", folder / "no.toml")
    with pytest.raises(SpeechTuneError, match=r"yes\.wav"):
        speechtune.finetune(folder / "clips", folder / "yes.wav")
    with pytest.raises(ConfigError, match=r"out .*yes\.wav.*name a folder"):
        speechtune.evaluate(folder / "given", folder / "test-clips", out=folder / "yes.wav")
    with pytest.raises(ConfigError, match="name test clips"):
        speechtune.evaluate(folder / "given")
    assert not (folder / "new").exists()


def test_evaluate_takes_an_open_model_and_judges_as_the_command_line_does(
    folder: Path, model: Recognizer, tmp_path: Path
) -> None:
    stages: list[str] = []
    evaluation = speechtune.evaluate(
        model, folder / "test-clips", train=folder / "clips", progress=lambda stage, done, total: stages.append(stage)
    )
    assert evaluation.clips is not None
    assert run(["evaluate", str(folder / "given"), str(folder / "test-clips"), "--out", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert evaluation.clips.metrics.closed_set_accuracy == written["closed_set_accuracy"]
    assert evaluation.clips.leaks
    assert stages
