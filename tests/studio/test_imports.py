"""Files that are dropped on the page."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechtune.errors import UnreadableAudioError
from speechtune.studio.imports import import_file
from speechtune.studio.takes import Origin, Takes
from tests.support.clips import word_like
from tests.support.recording import CountingEar, LoudnessFinder

QUIET = np.full(8_000, 1e-5, dtype=np.float32)


def wav(*parts: np.ndarray, rate_hz: int = 16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.concatenate(parts), rate_hz, format="WAV", subtype="FLOAT")
    return file.getvalue()


@pytest.fixture
def takes(tmp_path: Path) -> Takes:
    return Takes(tmp_path / "clips", tmp_path / "aside")


def dropped(takes: Takes, label: str, content: bytes, ear: CountingEar | None = None) -> list[str]:
    """The faults of what was dropped."""
    take, name = import_file(content, "a.wav", label, takes, Origin(), LoudnessFinder(), ear)
    assert (name is None) == bool(take.faults)
    return [fault.kind for fault in take.faults]


def test_a_command_is_cut_to_its_speech_like_a_take(takes: Takes) -> None:
    word = word_like(1)
    assert dropped(takes, "yes", wav(QUIET, word, QUIET)) == []
    (listed,) = takes.listed()
    found = takes.samples(listed.name)
    assert len(found) < len(word) + 6_400
    assert np.abs(np.correlate(found, word, "same")).max() > 0.9 * float(np.dot(word, word))


def test_what_is_wrong_with_a_file_is_said_and_it_is_set_aside(takes: Takes) -> None:
    assert dropped(takes, "yes", wav(QUIET, np.clip(8.0 * word_like(1), -0.9, 0.9), QUIET)) == ["clipped"]
    assert dropped(takes, "yes", wav(QUIET)) == ["silent"]
    assert takes.listed() == []
    assert len(takes.aside()) == 2
    with pytest.raises(UnreadableAudioError, match=r"a\.wav"):
        dropped(takes, "yes", b"no sound at all")


def test_a_file_is_compared_with_those_that_were_dropped_before_it(takes: Takes) -> None:
    ear = CountingEar()
    assert dropped(takes, "yes", wav(QUIET, word_like(1), QUIET), ear) == []
    assert dropped(takes, "yes", wav(QUIET, word_like(2), QUIET), ear) == ["unlike_siblings"]


def test_other_speech_and_background_stay_as_long_as_they_are(takes: Takes) -> None:
    talk = np.concatenate([np.concatenate([word_like(seed), QUIET]) for seed in range(12)])
    assert dropped(takes, "_unknown_", wav(talk)) == []
    hum = 0.003 * np.random.default_rng(0).standard_normal(240_000).astype(np.float32)
    assert dropped(takes, "_background_noise_", wav(hum)) == []
    assert dropped(takes, "_background_noise_", wav(talk)) == ["speech_heard"]
    assert [(one.label, one.seconds) for one in takes.listed() if one.label == "_unknown_"] == [
        ("_unknown_", pytest.approx(len(talk) / 16_000, abs=1e-3))
    ]
    assert len(takes.samples(takes.listed()[1].name)) == 240_000
