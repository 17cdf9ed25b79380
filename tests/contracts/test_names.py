"""One name is one name, however it is typed: labels, commands, thresholds, predictions, label tracks, models."""

from __future__ import annotations

import json
import unicodedata

import grpc
import pytest

from speechtune.data.loading import load_clips
from speechtune.data.selection import choose_labels
from speechtune.errors import ConfigError, ManifestError
from speechtune.evaluation.comparison import compare
from speechtune.evaluation.prediction_file import load_predictions
from speechtune.evaluation.stream_truth import read_truth
from speechtune.labels import LabelSet, check_label
from speechtune.record.prompts import RecordingPlan
from speechtune.streaming.config import CommandRule, SessionConfig
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.model_store import ServedModel
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.serving import (
    COMMANDS_CONTENT,
    DIGEST,
    LINEAR16_SPEC,
    asynchronous,
    audio,
    config,
    config_of,
    refusal,
    responses,
    running_server,
    stub_of,
)
from tests.support.streaming import LINEAR16, PitchScorer

KOREAN, DECOMPOSED = "불 켜", unicodedata.normalize("NFD", "불 켜")
HIDDEN = ["on\u202e", "\u200eon", "on\u2028off", "on\u2029", "o\x85n", "\u2066on", "o\x1bn"]


def test_labels_rules_and_thresholds_are_one_name_in_either_form():
    assert len(DECOMPOSED) > len(KOREAN)
    labels = LabelSet((DECOMPOSED, "off"), (unicodedata.normalize("NFD", "café"),))
    assert labels == LabelSet((KOREAN, "off"), ("café",))
    assert labels.index(DECOMPOSED) == 0
    assert labels.label_for(DECOMPOSED) == KOREAN
    session = SessionConfig(LINEAR16, (CommandRule(DECOMPOSED, refractory_ms=5),))
    assert session.effective_rules(labels, {DECOMPOSED: 0.25, "off": 0.5})[KOREAN].threshold == 0.25
    assert RecordingPlan((DECOMPOSED,)).commands == (KOREAN,)
    with pytest.raises(ConfigError, match="named twice"):
        LabelSet((KOREAN, DECOMPOSED))


@pytest.mark.parametrize("name", HIDDEN)
def test_names_that_hide_what_they_are_are_refused(name, tmp_path):
    with pytest.raises(ConfigError):
        check_label(name)
    with pytest.raises(ConfigError, match="models"):
        config_of(models={name: "home"})
    write_audio(tmp_path / "a.wav", word_like(1, 2_000))
    (tmp_path / "manifest.jsonl").write_text(json.dumps({"path": "a.wav", "label": name}))
    with pytest.raises(ManifestError, match="line 1: label"):
        load_clips(tmp_path)


def test_labels_that_look_the_same_are_noted(tmp_path):
    make_folder(tmp_path, {"on": 1, "On": 1, "o\u200bn": 1, "off": 1})
    (note,) = [note for note in load_clips(tmp_path).notes if "look the same" in note]
    assert "'On', 'on', 'o\\u200bn'" in note
    assert len(load_clips(tmp_path).labels) == 4


def test_a_keyword_and_a_file_are_found_in_either_form(tmp_path):
    write_audio(tmp_path / f"{DECOMPOSED}.wav", word_like(1, 2_000))
    (tmp_path / "manifest.jsonl").write_text(json.dumps({"path": f"{KOREAN}.wav", "label": DECOMPOSED}))
    clips = load_clips(tmp_path)
    assert clips.labels == (KOREAN,)
    assert choose_labels(clips, (DECOMPOSED,))[0].keywords == (KOREAN,)


def test_predictions_and_label_tracks_are_compared_in_one_form(tmp_path):
    def predictions(name, label):
        row = {"clip": f"{label}/1.wav", "truth": label, "posteriors": {label: 0.9, "_unknown_": 0.1}}
        (tmp_path / name).write_text(json.dumps(row))
        return load_predictions(tmp_path / name)

    there = [predictions("a", KOREAN), predictions("b", DECOMPOSED)]
    assert there[0].clip_ids == there[1].clip_ids
    compare(*there)
    (tmp_path / "truth.txt").write_text(f"0.5\t1.0\t{DECOMPOSED}\n")
    assert read_truth(tmp_path / "truth.txt")[0].label == KOREAN


@asynchronous
async def test_a_stream_and_its_model_are_named_in_either_form():
    scorer = PitchScorer(LabelSet((KOREAN, "high"), ("_unknown_",)), {KOREAN: 0.5, "high": 0.5})
    update = pb.StreamingRecognizeRequest(
        control=pb.Control(update_commands=pb.UpdateCommands(commands=[pb.CommandRule(label=DECOMPOSED)]))
    )
    load = lambda name, folder: ServedModel(name, DIGEST, scorer)  # noqa: E731
    async with running_server(load=load, models={DECOMPOSED: "home"}) as server, stub_of(server) as stub:
        rules = [pb.CommandRule(label=DECOMPOSED, threshold=0.6)]
        for name in (KOREAN, DECOMPOSED, f"{DECOMPOSED}@{DIGEST}", ""):
            answers = await responses(stub, [config(model=name, commands=rules), update, audio(COMMANDS_CONTENT)])
            assert [one.detection.label for one in answers if one.HasField("detection")] == [KOREAN]
            assert answers[0].started.model == KOREAN
        twice = [pb.CommandRule(label=KOREAN), pb.CommandRule(label=DECOMPOSED)]
        request = pb.RecognizeRequest(audio=LINEAR16_SPEC, content=COMMANDS_CONTENT, commands=twice)
        refused = await refusal(stub.Recognize(request))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("commands[1].label",))
