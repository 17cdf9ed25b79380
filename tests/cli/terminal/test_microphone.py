"""The one microphone of `record` and `stream mic`, with a stand-in for the sound device."""

from __future__ import annotations

import io
import json
import threading
import time
from contextlib import redirect_stdout
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soxr

from speechtune.audio.files import read_audio
from speechtune.cli.app import run
from speechtune.cli.terminal.microphone import Microphone, MicrophoneStream
from speechtune.data.sets.clips import read_clip
from speechtune.data.sets.loading import load_clips
from tests.support.serving import COMMANDS, server_in_thread
from tests.support.sound_device import Block, PulledOutError, playing, plug_in
from tests.support.speech import SPEECH_FOLDER, needs_speech


def loud(num_samples: int, amplitude: float = 0.01) -> np.ndarray:
    return np.full(num_samples, amplitude, dtype=np.float32)


def test_a_microphone_says_of_which_take_samples_were_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, lambda number, size: (loud(size), number == 3))
    microphone = Microphone()
    losses = []
    for _ in range(3):
        microphone.start()
        for _ in range(2):
            microphone.read()
        losses.append(microphone.stop())
    assert losses == [False, True, False]


def test_a_wireless_microphone_is_waited_for_and_nothing_of_it_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, lambda number, size: (loud(size, 0.01 * number * (number > 19)), number < 5))
    microphone = Microphone()
    microphone.start()
    assert [round(100 * float(microphone.read()[0])) for _ in range(2)] == [20, 21]
    assert microphone.stop() is False


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_a_device_is_opened_at_its_own_rate_and_resampled_here(monkeypatch: pytest.MonkeyPatch, rate_hz: int) -> None:
    times = np.arange(2 * rate_hz) / rate_hz
    spoken = (0.5 * np.sin(2 * np.pi * 1_000 * times)).astype(np.float32)
    device = plug_in(monkeypatch, playing(spoken, lambda: None), rate_hz=rate_hz)
    stream = MicrophoneStream(Microphone(), pytest.fail)
    content = b"".join(islice(stream, 50))
    stream.close()
    assert device.requested["samplerate"] == rate_hz
    assert device.num_open == 0
    heard = np.frombuffer(content, dtype="<i2").astype(np.float64) / 32_767
    assert len(heard) > 20_000
    middle = slice(4_000, 20_000)
    expected = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(len(heard)) / 16_000)
    assert np.abs(heard[middle] - expected[middle]).max() < 0.01


def test_lost_audio_is_told_with_its_place_and_not_more_than_once_in_ten_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hear(number: int, size: int) -> Block:
        return loud(size), number > 62  # every block after the first 2 s

    told: list[str] = []
    plug_in(monkeypatch, hear)
    assert len(list(islice(MicrophoneStream(Microphone(), told.append), 400))) == 400
    assert [text.partition(" at ")[2].partition(":")[0] for text in told] == ["2.0 s", "12.0 s, 313 times"]
    assert all(text.startswith("note: audio of the microphone was lost") for text in told)


def test_closed_by_one_thread_a_microphone_is_given_back_by_the_one_that_reads_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_reading = threading.Event()

    def hear(number: int, size: int) -> Block:
        is_reading.set()
        return loud(size), False

    device = plug_in(monkeypatch, hear)
    stream = MicrophoneStream(Microphone(), pytest.fail)
    reader = threading.Thread(target=lambda: [None for _ in stream])
    reader.start()
    assert is_reading.wait(20)
    stream.close()
    assert device.num_open == 0
    reader.join(20)
    assert not reader.is_alive()


def test_commands_spoken_at_48_khz_are_detected_and_a_microphone_that_is_pulled_out_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, deadline = io.StringIO(), time.monotonic() + 30

    def pull_out() -> None:
        if shown.getvalue().count('"event": "detection"') >= 2 or time.monotonic() > deadline:
            raise PulledOutError("Device unavailable")
        time.sleep(0.005)

    spoken = soxr.resample(COMMANDS, 16_000, 48_000).astype(np.float32)
    device = plug_in(monkeypatch, playing(spoken, pull_out), rate_hz=48_000)
    with server_in_thread() as server, redirect_stdout(shown):
        assert run(["stream", "mic", "--address", server.address]) == 2
    assert "microphone of the system: Device unavailable" in capsys.readouterr().err
    events = [json.loads(line) for line in shown.getvalue().splitlines()]
    detections = [event for event in events if event["event"] == "detection"]
    assert [detection["label"] for detection in detections] == ["low", "high"]
    assert detections[0]["end_offset"] < detections[1]["start_offset"]
    assert device.num_open == 0


@needs_speech
def test_a_take_of_which_samples_were_lost_is_recorded_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    room = np.random.default_rng(0).normal(scale=1e-3, size=12_000).astype(np.float32)
    word = read_audio(SPEECH_FOLDER / "fsdd" / "1" / "george_3.flac")
    take = soxr.resample(np.concatenate([room, word, room, room]), 16_000, 48_000).astype(np.float32)

    def hear(number: int, size: int) -> Block:
        positions = np.arange((number - 1) * size, number * size)
        return take[positions % len(take)], number == 10

    plug_in(monkeypatch, hear, rate_hz=48_000)
    data = tmp_path / "data"
    assert run(["record", str(data), "--commands", "one", "--takes", "1", "--auto", "--encoder", "none"]) == 0
    shown = capsys.readouterr().out
    assert "the machine was too busy to hear all of it" in shown
    assert "kept 1 takes" in shown
    (clip,) = load_clips(data).clips
    assert clip.device == "stand-in"
    assert abs(len(read_clip(clip)) - len(word)) < 10_000


@needs_speech
def test_a_take_that_is_clipped_at_the_rate_of_the_device_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    word = read_audio(SPEECH_FOLDER / "fsdd" / "1" / "george_3.flac")
    room = np.random.default_rng(0).normal(scale=1e-3, size=12_000).astype(np.float32)
    loud = soxr.resample(np.concatenate([room, 30.0 * word, room, room]), 16_000, 48_000)
    take = np.clip(loud, -0.9, 0.9).astype(np.float32)

    def hear(number: int, size: int) -> Block:
        return take[np.arange((number - 1) * size, number * size) % len(take)], False

    plug_in(monkeypatch, hear, rate_hz=48_000)
    data = tmp_path / "data"
    assert run(["record", str(data), "--commands", "one", "--takes", "1", "--auto", "--encoder", "none"]) == 0
    shown = capsys.readouterr().out
    assert "clipped:" in shown
    assert "kept 0 takes" in shown


@pytest.mark.parametrize(
    "arguments", [["stream", "mic", "--device", "missing"], ["record", "DIR", "--commands", "a", "--device", "missing"]]
)
def test_a_device_that_is_not_there_is_refused_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str]
) -> None:
    plug_in(monkeypatch, lambda number, size: (loud(size), False))
    assert run([str(tmp_path) if argument == "DIR" else argument for argument in arguments]) == 2
    message = capsys.readouterr().err
    assert "microphone missing: No input device matching 'missing'" in message
    assert "--device: 0: stand-in" in message


def test_a_device_is_no_option_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stream", "clip.flac", "--device", "1"]) == 2
    assert "--device 1: is for the microphone" in capsys.readouterr().err
