"""The command line as a user meets it: verbs, exit codes, one-line errors."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from speechtune import __version__
from speechtune.cli.app import run
from speechtune.cli.options import keywords_from
from speechtune.data.sets.clips import ClipSet, fingerprint
from speechtune.data.sets.exchange import write_audiofolder
from speechtune.data.sets.loading import load_clips
from speechtune.data.sets.manifest import write_manifest
from speechtune.errors import ConfigError, ManifestError
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.encoders import save_random_model
from tests.support.processes import run_python


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    save_random_model("whisper", folder / "encoder")
    data = make_folder(folder / "data", {"yes": 3, "no": 3, "cat": 3})
    arguments = ["--keywords", "yes,no", "--encoder", str(folder / "encoder"), "--set", "augment.copies=1"]
    assert run(["finetune", str(data), "--out", str(folder / "model"), *arguments]) == 0
    return folder / "model"


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    message = capsys.readouterr().err.strip()
    assert message.startswith("speechtune: ")
    assert "\n" not in message
    return message


def test_finetune_shows_keywords_thresholds_and_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_random_model("whisper", tmp_path / "encoder")
    data = make_folder(tmp_path / "data", {"yes": 3, "no": 3, "cat": 3})
    arguments = ["--encoder", str(tmp_path / "encoder"), "--set", "augment.copies=1", "--profile", "--shots", "2"]
    code = run(["finetune", str(data), "--keywords", "yes,no", "--out", str(tmp_path / "model"), *arguments])
    shown = capsys.readouterr().out
    assert code == 0
    assert "threshold" in shown
    assert "3 negative clips of 1 words" in shown
    assert f"next (TEST-CLIPS: clips of people who are not in {data}):" in shown
    assert "embed" in shown


def test_a_first_finetune_ends_with_the_commands_that_come_next_and_they_can_be_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_random_model("whisper", Path("encoder"))
    clip_set = load_clips(make_folder(Path("my data"), {"yes": 5, "no": 5, "cat": 4}))
    declared = [replace(clip, split="test" if clip.path.stem == "4" else "train") for clip in clip_set.clips]
    write_manifest(Path("my data/manifest.jsonl"), clip_set.with_clips(declared))
    fast = ["--encoder", "encoder", "--set", "augment.copies=1", "--set", "head.background_speech=0"]
    command = ["finetune", "my data", "--keywords", "yes,no", "--out", "my model", *fast]
    assert run(command) == 0
    _, _, following = capsys.readouterr().out.partition("\nnext:\n")
    lines = [shlex.split(line) for line in following.splitlines()]
    assert lines == [
        ["speechtune", "evaluate", "my model", "my data", "--out", "my model-report"],
        ["speechtune", "serve", "my model", "--address", "127.0.0.1:50551"],
        ["speechtune", "stream", "mic", "--address", "127.0.0.1:50551"],
    ]
    assert run(lines[0][1:]) == 0
    assert Path("my model-report/report.html").is_file()
    capsys.readouterr()
    assert run(command) == 0
    assert "next" not in capsys.readouterr().out, "whoever replaces a checkpoint knows what comes next"


def test_evaluate_writes_the_promised_keys(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_folder(tmp_path / "test", {"yes": 3, "no": 3, "bird": 3})
    assert run(["evaluate", str(checkpoint), str(data), "--out", str(tmp_path / "report")]) == 0
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert {
        "num_clips", "accuracy", "closed_set_accuracy", "macro_f1", "detection_rate_at_far", "per_label", "confusion",
        "expected_calibration_error", "speakers", "encoder", "checkpoint_digest", "seconds",
    } <= metrics.keys()  # fmt: skip
    assert metrics["num_clips"] == 9
    assert metrics["detection_rate_at_far"].keys() == {"0.05", "0.01"}
    assert metrics["detection_rate_at_far"]["0.01"] is None
    assert metrics["speakers"] is None
    assert "9 clips" in capsys.readouterr().out


def test_recognize_writes_one_json_line_a_file_and_fails_only_the_bad_one(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_audio(tmp_path / "good.wav", word_like(1))
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF but not really")
    assert run(["recognize", str(checkpoint), str(good), str(bad)]) == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [str(good), str(bad)]
    assert {score["label"] for score in lines[0]["scores"]} == {"yes", "no", "_unknown_", "_silence_"}
    assert sum(score["confidence"] for score in lines[0]["scores"]) == pytest.approx(1.0, abs=1e-4)
    assert "not readable as audio" in lines[1]["error"]


def test_info_shows_what_a_checkpoint_is_without_torch(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(checkpoint), "--json"]) == 0
    description = json.loads(capsys.readouterr().out)
    assert description["keywords"] == ["yes", "no"]
    assert description["refractory_ms"] == {"yes": 500, "no": 500}
    program = f"""
import sys
from speechtune.cli.app import run
assert run(["info", {str(checkpoint)!r}]) == 0
assert "torch" not in sys.modules and "transformers" not in sys.modules and "grpc" not in sys.modules
"""
    run_python(program)


def test_info_shows_whole_fingerprints_and_any_name_on_a_narrow_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    save_random_model("whisper", tmp_path / "encoder")
    data = make_folder(tmp_path / "data", {"yes": 3, "no": 3, "[[j'am]]": 3})
    arguments = ["--encoder", str(tmp_path / "encoder"), "--set", "augment.copies=1", "--keywords", "yes,no"]
    assert run(["finetune", str(data), "--out", str(tmp_path / "model"), *arguments]) == 0
    assert run(["inspect", str(data), "--encoder", "none", "--out", str(tmp_path / "seen")]) == 0
    version = json.loads((tmp_path / "seen" / "inspection.json").read_text())["fingerprint"]
    capsys.readouterr()
    assert run(["info", str(tmp_path / "model")]) == 0
    shown = capsys.readouterr().out
    assert "[[j'am]]" in shown
    assert version in "".join(shown.split())


def test_synthetic_clips_are_evaluated_only_where_that_is_asked_for(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_folder(tmp_path / "test", {"yes": 3, "no": 3, "bird": 3})
    clips = load_clips(data).clips
    made = [replace(clip, synthetic=True) for clip in clips]
    write_manifest(tmp_path / "test" / "half.jsonl", ClipSet(data, (*clips[:4], *made[4:])))
    write_manifest(tmp_path / "test" / "all.jsonl", ClipSet(data, tuple(made)))
    out, evaluated = ["--out", str(tmp_path / "report")], ["evaluate", str(checkpoint)]
    assert run([*evaluated, str(data / "half.jsonl"), *out]) == 0
    assert "5 synthetic clips left out" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert metrics["num_clips"] == 4
    assert metrics["data_fingerprint"] == fingerprint(ClipSet(data, clips[:4]))
    assert "data_fingerprint" not in metrics["not_measured"]
    assert run([*evaluated, str(data / "all.jsonl"), *out]) == 2
    assert "all 9 clips are synthetic" in one_line(capsys)
    assert run(["compare", str(checkpoint), str(checkpoint), str(data / "all.jsonl")]) == 2
    assert "all 9 clips are synthetic" in one_line(capsys)
    assert run([*evaluated, str(data / "all.jsonl"), *out, "--synthetic"]) == 0
    assert "scores say nothing of people" in capsys.readouterr().out
    assert "scores say nothing of people" in (tmp_path / "report" / "report.html").read_text()


def test_inspect_lists_labels_and_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_folder(tmp_path / "data", {"yes": 2, "no": 2})
    write_audio(data / "yes" / "silent.wav", 0.0 * word_like(1))
    assert run(["inspect", str(data)]) == 0
    shown = capsys.readouterr().out
    assert "silent.wav" in shown
    assert "5 clips" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["finetune", "nowhere", "--out", "model"], "nowhere"),
        (["finetune", "nowhere"], "--out"),
        (["finetune", "data", "--out", "model", "--set", "augment.copes=1"], "augment.copes"),
        (["finetune", "data", "--out", "model", "--keywords", "yes,,no"], "commas"),
        (["evaluate", "nowhere", "data", "--out", "report"], "nowhere"),
        (["recognize", "nowhere", "a.wav"], "nowhere"),
        (["info", "nowhere"], "nowhere"),
        (["serve", "nowhere", "--address", "127.0.0.1:0"], "nowhere"),
        (["serve", "nowhere", "--address", "here"], "HOST:PORT"),
        (["stream", "nowhere.wav"], "nowhere.wav"),
        (["dance"], "dance"),
    ],
)
def test_the_inputs_fault_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    assert message in one_line(capsys)


def test_an_error_of_ours_is_exit_code_1_and_debug_shows_its_trace(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("speechtune.models.checkpoints.files.read_summary", broken)
    assert run(["info", str(checkpoint)]) == 1
    assert "internal error: RuntimeError: a bug" in one_line(capsys)
    assert run(["info", str(checkpoint), "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = write_audio(tmp_path / "a.wav", word_like(1))
    assert run(["stream", str(recording), "--address", "127.0.0.1:9"]) == 1
    assert "127.0.0.1:9" in one_line(capsys)


def test_without_a_verb_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "finetune" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


def test_keywords_may_hold_spaces_and_may_not_be_empty() -> None:
    assert keywords_from("yes, lights on") == ("yes", "lights on")
    assert keywords_from(None) is None
    with pytest.raises(ConfigError, match="commas"):
        keywords_from("")


def test_a_place_below_a_file_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    data = make_folder(tmp_path / "data", {"yes": 3})
    speakers = ["--speaker-pattern", r"(\d)$", "--test", "0.5", "--valid", "0", "--seed", "1"]
    for arguments in (
        ["split", str(data), "--out", str(tmp_path / "file" / "m.jsonl"), *speakers],
        ["synthesize", "yes", "--takes", "1", "--out", str(tmp_path / "file" / "clips")],
    ):
        assert run(arguments) == 2
        assert "cannot be made" in one_line(capsys)
    with pytest.raises(ManifestError, match="cannot be made"):
        write_audiofolder(load_clips(data), tmp_path / "file" / "clips")
