"""The main job on real speech and the real tiny.en: train, measure, serve, stream, and the same answers everywhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from speechtune.audio.files import read_audio
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.cli.app import run
from speechtune.recipe import Recipe
from speechtune.remote import load_generator
from speechtune.training.finetune import TrainingData, finetune
from speechtune_client import CommandClient, CommandRule, Detection
from tests.support.encoders import needs_packaged_weights
from tests.support.speech import REPOSITORY, SPEECH_FOLDER, needs_speech

pytestmark = [needs_speech, needs_packaged_weights]

KEYWORDS = ("yes", "no", "stop", "go")
NUM_STREAMED = 20
TOLERANCE_SECONDS = 0.05


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four keywords and four other words of the few-shot pool, as links."""
    folder = tmp_path_factory.mktemp("pool")
    for word in (*KEYWORDS, "cat", "happy", "one", "three"):
        (folder / word).symlink_to(SPEECH_FOLDER / "speech_commands_fewshot" / word)
    return folder


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty clips of each keyword and of other words, of speakers that the pool does not have."""
    folder = tmp_path_factory.mktemp("dev")
    for word in (*KEYWORDS, "_unknown_"):
        (folder / word).mkdir()
        for path in sorted((SPEECH_FOLDER / "speech_commands_dev" / word).glob("*.flac"))[::5][:30]:
            (folder / word / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def checkpoint(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "commands"
    recipe = Recipe.model_validate({"augment": {"copies": 2}, "head": {"silence_clips": 20}})
    finetune(TrainingData(data, KEYWORDS, shots=5), folder, recipe)
    return folder


@pytest.fixture(scope="module")
def address(checkpoint: Path) -> Iterator[str]:
    arguments = [sys.executable, "-m", "speechtune", "serve", str(checkpoint), "--address", "127.0.0.1:0"]
    paths = os.pathsep.join(str(REPOSITORY / part) for part in ("", "server", "proto"))
    server = subprocess.Popen(
        arguments, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": paths}
    )
    assert server.stderr is not None
    found = next((match for line in server.stderr if (match := re.search(r"127\.0\.0\.1:\d+", line))), None)
    assert found is not None, "the server ended before it served"
    yield found[0]
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=30)
    assert server.returncode == 0


def test_five_clips_a_word_tell_unseen_speakers_words_apart(checkpoint: Path, held_out: Path, tmp_path: Path) -> None:
    assert run(["evaluate", str(checkpoint), str(held_out), "--out", str(tmp_path)]) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    # Measured 0.99 and 0.96 on these clips; a head that learnt nothing has 0.25.
    assert metrics["closed_set_accuracy"] > 0.93
    assert metrics["detection_rate_at_far"]["0.05"] > 0.85


def test_clip_stream_and_command_line_give_the_same_detections(
    checkpoint: Path, held_out: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [path for word in KEYWORDS for path in sorted((held_out / word).glob("*.flac"))[: NUM_STREAMED // 4]]
    capsys.readouterr()
    assert run(["recognize", str(checkpoint), *map(str, paths)]) == 0
    recognized = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    num_right = 0
    with CommandClient(address) as client:
        for path, line in zip(paths, recognized, strict=True):
            pcm = np.round(read_audio(path) * 32767).astype("<i2").tobytes()
            chunks = [pcm[start : start + 999] for start in range(0, len(pcm), 999)]
            streamed = [event for event in client.stream(chunks) if isinstance(event, Detection)]
            clip = client.recognize(path.read_bytes(), "FLAC").detections
            from_command_line = [
                (found["label"], found["start_offset"], found["end_offset"]) for found in line["detections"]
            ]
            for detections in (streamed, clip):
                assert [(found.label, found.start_offset, found.end_offset) for found in detections] == [
                    (label, pytest.approx(start, abs=1e-4), pytest.approx(end, abs=1e-4))
                    for label, start, end in from_command_line
                ]
            num_right += [found.label for found in streamed] == [path.parent.name]
    assert num_right >= 0.8 * NUM_STREAMED


def test_a_word_that_is_said_twice_is_counted_twice_by_those_who_count(held_out: Path, address: str) -> None:
    counts = {0: 0, 4_000: 0}
    takes = [load_generator.read_clips([held_out / word], 8, 0) for word in KEYWORDS]
    pairs = [
        (word, *some[start : start + 2]) for word, some in zip(KEYWORDS, takes, strict=True) for start in (0, 2, 4)
    ]
    quiet = np.zeros(SAMPLE_RATE_HZ * 6 // 10, np.float32)
    with CommandClient(address) as client:
        for word, one, other in pairs:
            said = np.concatenate([quiet, one, quiet, other, quiet, quiet]) * np.float32(32_767)
            for refractory_ms in counts:
                rules = [CommandRule(word, refractory_ms=refractory_ms)]
                events = client.stream([said.astype("<i2").tobytes()], commands=rules)
                counts[refractory_ms] += sum(isinstance(event, Detection) for event in events)
    # Of what is recognised at all, 0.6 s apart.
    assert counts[0] >= 0.8 * 2 * len(pairs)
    assert counts[4_000] <= len(pairs)
