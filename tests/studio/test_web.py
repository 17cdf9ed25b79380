"""The page's requests and web sockets, from the first take to a model that is tried, on a small random encoder."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.websockets import WebSocketDisconnect

from speechtune.cli.studio_recogniser import LocalRecogniser, recogniser_config
from speechtune.data.sets.loading import load_clips
from speechtune.data.synthesis.voices import Voice, synthesize
from speechtune.models.opened import open_model
from speechtune.recipe import Recipe
from speechtune.studio.project import Project
from tests.support.encoders import save_random_model
from tests.support.studio import Page, opened_page

pytest.importorskip("espeakng_loader", reason="the synthesiser (extra 'demo') is not installed")
pytestmark = pytest.mark.timeout(900)

HEAD = {"silence_clips": 5, "running_speech": 5, "background_speech": 5, "command_parts": 0, "word_knowledge": 0.0}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = tmp_path_factory.mktemp("encoder")
    save_random_model("whisper", folder)
    settings: dict[str, Any] = {"encoder": {"name": str(folder)}, "augment": {"copies": 1}, "head": HEAD}
    return Recipe.model_validate(settings | {"calibration": {"folds": 2}})


@pytest.fixture
def page(tmp_path: Path, recipe: Recipe) -> Iterator[Page]:
    def tried(project: Project) -> LocalRecogniser:
        return LocalRecogniser(project, recogniser_config(project, ()))

    with opened_page(tmp_path / "studio", recipe, recogniser=tried) as opened:
        yield opened


def said(text: str, number: int = 0) -> np.ndarray:
    """The word in faint noise, as a microphone hears it: float32[N] at 16 kHz."""
    word = synthesize(text, Voice(f"m{1 + number}"))
    noise = 1e-4 * np.random.default_rng(number).standard_normal(len(word) + 24_000)
    noise[6_400 : 6_400 + len(word)] += word
    return noise.astype(np.float32)


def flac(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def plan(page: Page, commands: list[str], takes: int = 2) -> None:
    page.post("plan", {"add": commands, "takes": takes, "other_words": 0, "background": 0})


def record(page: Page, *texts: str, label: str | None = None) -> list[dict[str, Any]]:
    """Say these, one after the other, and give the verdicts; the last message says how many takes were kept."""
    verdicts = []
    with page.recording(label) as socket:
        for number, text in enumerate(texts):
            socket.next("announce")
            socket.choose("go")
            socket.hear(said(text, number))
            socket.next("cue")
            verdicts.append(socket.next("verdict"))
            assert socket.next("kept")["name"].startswith(text)
        verdicts.append(socket.next("done"))
    return verdicts


def test_takes_are_recorded_played_removed_and_brought_back(page: Page) -> None:
    plan(page, commands=["yes", "no"], takes=1)
    assert page.state()["missing"] == 2
    assert record(page, "yes", "no")[-1] == {"event": "done", "kept": 2, "complete": True}
    state = page.state()
    assert [take["label"] for take in state["takes"]] == ["yes", "no"]
    assert state["missing"] == 0
    first = state["takes"][0]
    sound = page.client.get("/api/sound", params={"name": first["name"]})
    samples, rate = soundfile.read(io.BytesIO(sound.content), dtype="float32")
    assert rate == 16_000
    assert len(samples) / rate == pytest.approx(first["seconds"], abs=1e-3)
    picture = page.client.get("/api/picture", params={"name": first["name"]})
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    aside = page.post("takes/remove", {"name": first["name"]})["aside"]
    state = page.state()
    assert [take["id"] for take in state["aside"]] == [aside]
    assert state["missing"] == 1
    assert page.client.get("/api/sound", params={"name": aside}).content == sound.content
    page.post("aside/restore", {"id": aside})
    assert record(page, "yes", label="yes")[-1]["kept"] == 1
    assert [take["label"] for take in page.state()["takes"]] == ["no", "yes", "yes"]
    page.post("aside/forget", {"id": aside}, status=400)


def test_a_clipped_take_is_told_in_words_and_a_lost_connection_loses_no_take(page: Page) -> None:
    plan(page, commands=["yes"])
    with page.recording() as socket:
        socket.next("announce")
        socket.choose("go")
        socket.hear(said("yes"))
        socket.next("cue")
        socket.next("verdict")
        socket.next("kept")
        socket.next("announce")
        socket.choose("go")
        socket.hear(np.clip(20.0 * said("yes", 1), -0.9, 0.9).astype(np.float32))
        socket.next("cue")
        verdict = socket.next("verdict")
        assert "clipped" in [fault["kind"] for fault in verdict["faults"]]
        assert "lies on flat tops" in verdict["faults"][0]["detail"]
    # The page is gone in the middle of it.
    state = page.until(lambda state: len(state["aside"]) == 1)
    assert len(state["takes"]) == 1
    assert state["missing"] == 1
    assert record(page, "yes")[-1]["complete"]


def test_every_page_is_told_what_another_one_changes(page: Page) -> None:
    with page.socket("/api/events") as first, page.socket("/api/events") as second:
        assert all(json.loads(socket.receive_text())["takes"] == [] for socket in (first, second))
        plan(page, commands=["yes"])
        for socket in (first, second):
            while "plan" not in (change := json.loads(socket.receive_text())):
                pass
            assert change["plan"]["commands"] == ["yes"]
            assert "trained" not in change


def test_files_are_imported_and_what_is_no_sound_is_refused(page: Page) -> None:
    plan(page, commands=["yes"])
    assert page.drop("yes", flac(said("yes")))["good"]
    assert page.drop("yes", flac(np.zeros(16_000, dtype=np.float32)))["name"] is None
    assert "a.flac" in page.drop("yes", b"nothing", status=400)["error"]
    assert "may not start with a dot" in page.drop("../up", flac(said("yes")), status=400)["error"]
    assert len(page.state()["takes"]) == 1


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("plan", {"add": ["_silence_"]}, 400),
        ("plan", [], 400),
        ("train", {}, 400),
        ("takes/remove", {"name": "yes/none.flac"}, 400),
        ("takes/hold-back", {}, 400),
        ("tried/decide", {"id": "none", "label": None}, 400),
        ("thresholds", {"yes": 2.0}, 400),
        ("thresholds", {"yes": 0.5}, 400),
        ("rollout", {}, 503),
    ],
)
def test_what_cannot_be_done_is_said_in_words(page: Page, path: str, content: object, status: int) -> None:
    assert len(page.post(path, content, status=status)["error"]) > 10


@pytest.mark.parametrize("opening", ["{", "[]", '{"rate": 1}', '{"rate": 16000, "label": "../up"}', '{"label": "yes"}'])
def test_a_recording_that_cannot_begin_says_why(page: Page, opening: str) -> None:
    with page.socket("/api/record") as socket:
        socket.send_text(opening)
        assert json.loads(socket.receive_text())["event"] == "error"
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()


def test_half_a_value_of_sound_ends_the_recording_in_words(page: Page) -> None:
    plan(page, commands=["yes"])
    with page.recording() as socket:
        socket.next("announce")
        socket.socket.send_bytes(b"abc")
        assert "whole float32 values" in socket.next("error")["message"]


def test_from_takes_to_a_model_that_is_tried_and_learns_what_it_heard_wrong(page: Page) -> None:
    plan(page, commands=["yes", "no"])
    assert [one["kind"] for one in page.state()["obstacles"]] == ["no_takes", "no_takes"]
    record(page, "yes", "no", "yes", "no")
    for number in (4, 5):
        page.drop("yes", flac(said("yes", number)))
        page.drop("no", flac(said("no", number)))
    held_back = [take["name"] for take in page.state()["takes"][-2:]]
    for name in held_back:
        page.post("takes/hold-back", {"name": name, "is_test": True})
    assert page.state()["model"]["status"] == "none"
    with page.socket("/v1/stream", subprotocols=["speechtune.v1"]) as stream:
        stream.send_text(json.dumps({"config": {"audio": {"encoding": "FLOAT32", "sampleRateHertz": 16_000}}}))
        assert json.loads(stream.receive_text())["error"]["code"] == "UNAVAILABLE"

    page.post("train")
    assert "running already" in page.post("train", status=409)["error"]
    state = page.until(lambda state: state["training"]["status"] != "running" and state["model"]["status"] == "ready")
    assert state["training"]["status"] == "done", state["training"]
    assert len(state["training"]["losses"]) > 2
    trained = state["trained"]
    assert trained["num_clips"] == {"no": 3, "yes": 3}
    assert {figure["key"] for figure in trained["test"]} >= {"accuracy", "closed_set_accuracy"}
    assert state["is_current"]
    report = page.client.get("/api/report")
    assert "yes" in report.text
    assert "sandbox" in report.headers["content-security-policy"]

    page.post("thresholds", {"yes": 0.01, "no": 0.99})
    state = page.until(lambda state: state["model"]["status"] == "ready" and state["model"]["thresholds"]["no"] == 0.99)
    digest = state["model"]["digest"]
    assert open_model(page.studio.project.model).thresholds == {"yes": 0.01, "no": 0.99}

    with page.socket("/v1/stream", subprotocols=["speechtune.v1"]) as stream:
        audio = {"encoding": "FLOAT32", "sampleRateHertz": 16_000, "channels": 1}
        stream.send_text(json.dumps({"config": {"audio": audio, "events": {"interims": True, "rejections": True}}}))
        assert json.loads(stream.receive_text())["started"]["modelDigest"] == digest
        stream.send_bytes(said("table").astype("<f4").tobytes())
        scores = json.loads(stream.receive_text())["interim"]["scores"]
        assert {score["label"] for score in scores} == {"yes", "no", "_unknown_", "_silence_"}
        assert json.loads(stream.receive_text())["detection"]["label"] == "yes"
        stream.send_text(json.dumps({"control": {"end": {}}}))
        # Read to the end: starlette's client cancels what has not ended when it is left.
        while "ended" not in json.loads(stream.receive_text()):
            pass
        with pytest.raises(WebSocketDisconnect):
            stream.receive_text()
    (heard,) = page.until(lambda state: len(state["tried"]) == 1)["tried"]
    assert heard["fired"]
    assert page.client.get("/api/sound", params={"name": heard["id"]}).content.startswith(b"fLaC")
    page.post("tried/decide", {"id": heard["id"], "label": "_unknown_"})
    state = page.state()
    assert state["tried"] == []
    assert not state["is_current"]
    assert load_clips(page.studio.project.clips).num_clips_per_label() == {"_unknown_": 1, "no": 4, "yes": 4}


def test_a_training_can_be_stopped_and_one_that_fails_says_why(page: Page) -> None:
    plan(page, commands=["yes", "no"])
    for word in ("yes", "no"):
        page.drop(word, flac(said(word)))
    page.post("train")
    page.until(lambda state: state["training"]["stage"] != "start")
    page.post("train/stop")
    assert page.until(lambda state: state["training"]["status"] != "running")["training"]["status"] == "stopped"
    assert not page.studio.project.model.exists()
    for path in page.studio.project.clips.glob("yes/*.flac"):
        path.write_bytes(b"damaged")
    page.post("train")
    training = page.until(lambda state: state["training"]["status"] != "running")["training"]
    assert training["status"] == "failed"
    assert ".flac" in training["error"]
