"""Audio that was sent at another rate, or as fewer channels, than it has: said once, and nothing is changed."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.audio.files import read_audio, read_sound
from speechtune.audio.pcm import PcmDecoder
from speechtune.audio.true_rate import NeighbourWatch, PaceWatch
from speechtune.data.clips import Clip, ClipSet
from speechtune.data.inspection import inspect_clips
from tests.support.clips import word_like, write_audio
from tests.support.speech import SPEECH_FOLDER, needs_speech
from tests.support.streaming import LINEAR16, cut, linear16

WORD = word_like(2, 16_000)


def stereo_as_mono(samples):
    return np.repeat(samples, 2)


def heard(samples):
    watch = NeighbourWatch()
    watch.hear(samples)
    return watch.notes


@settings(max_examples=20)
@given(st.lists(st.integers(0, 9_000), max_size=12))
def test_stereo_sent_as_mono_is_named_however_it_is_cut(lengths):
    decoder = PcmDecoder(LINEAR16)
    content = linear16(stereo_as_mono(WORD))
    samples = np.concatenate([decoder.decode(chunk) for chunk in cut(content, lengths)])
    np.testing.assert_array_equal(samples, np.frombuffer(content, "<i2") / np.float32(32768))
    assert "stereo was sent as mono" in decoder.notes[0]


def test_two_microphones_sent_as_one_channel_are_named():
    rng = np.random.default_rng(0)
    both = np.stack([WORD, WORD], axis=1) + 0.002 * rng.standard_normal((len(WORD), 2)).astype(np.float32)
    assert heard(np.roll(both.ravel(), 1))


@pytest.mark.parametrize(
    "samples",
    [
        WORD,
        np.zeros(16_000, np.float32),
        np.random.default_rng(0).standard_normal(16_000).astype(np.float32),
        np.sin(np.arange(16_000) * 1.5).astype(np.float32),
        stereo_as_mono(WORD)[:3_000],
    ],
)
def test_one_channel_is_one_channel(samples):
    assert heard(samples) == ()


def test_a_file_of_pairs_is_named_by_whoever_reads_it(tmp_path):
    path = write_audio(tmp_path / "yes" / "a.wav", stereo_as_mono(WORD))
    assert "pairs of equal ones" in read_sound(path).notes[0]
    report = inspect_clips(ClipSet(tmp_path, (Clip(path, "yes"),)))
    assert "not_as_it_says" in [finding.kind for finding in report.clips[0].findings]


def words(num=12):
    files = sorted((SPEECH_FOLDER / "fsdd").glob("*/*.flac"))
    return [read_audio(path) for path in files[:: len(files) // num][:num]]


def pace(rate_hz, sent_as_hz):
    watch = PaceWatch()
    for word in words():
        watch.hear(np.asarray(soxr.resample(word, 16_000, 16_000 * rate_hz / sent_as_hz), np.float32))
    return watch.notes


@needs_speech
@pytest.mark.parametrize(
    ("rate_hz", "sent_as_hz", "said"),
    [(48_000, 16_000, "slower and lower"), (16_000, 8_000, "slower and lower"), (8_000, 16_000, "faster and higher")],
)
def test_speech_at_a_pace_that_no_one_has_is_named(rate_hz, sent_as_hz, said):
    (note,) = pace(rate_hz, sent_as_hz)
    assert said in note


@needs_speech
def test_speech_at_its_own_pace_is_not():
    assert pace(16_000, 16_000) == ()


def test_a_few_windows_say_nothing():
    watch = PaceWatch()
    for _ in range(4):
        watch.hear(soxr.resample(WORD, 16_000, 64_000))
    watch.hear(np.zeros(16_000, np.float32))
    assert watch.notes == ()
