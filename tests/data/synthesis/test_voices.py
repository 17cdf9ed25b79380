"""Synthesised speech."""

import sys
import threading

import numpy as np
import pytest

from speechtune.audio.levels import active_range, peak_dbfs
from speechtune.data.synthesis.voices import Voice, synthesize, voices
from speechtune.errors import ConfigError

pytest.importorskip("espeakng_loader", reason="the synthesiser (extra 'demo') is not installed")


def test_there_are_many_speakers_and_each_voice_sounds_of_its_own():
    assert len({voice.speaker for voice in voices()}) == 30
    assert len(voices()) == 240
    some = voices()[::5]
    assert len({synthesize("turn left", voice).tobytes() for voice in some}) == len(some)


def test_speech_is_16_khz_and_as_long_as_words_are():
    samples = synthesize("stop", Voice("m1"))
    assert samples.dtype == np.float32
    start, end = active_range(samples)
    assert 3_000 < end - start < 16_000
    assert -30 < peak_dbfs(samples) < 0


def test_the_same_text_and_voice_give_the_same_samples_whatever_was_said_before():
    voice = Voice("f2", "en-gb-scotland")
    first = synthesize("lights on", voice)
    for other in voices()[:40:3]:
        synthesize("something else entirely", other)
    assert np.array_equal(synthesize("lights on", voice), first)


def test_several_threads_may_speak_at_once():
    expected = {voice: synthesize("yes", voice) for voice in voices()[:12]}
    heard = {}
    speakers = [
        threading.Thread(target=lambda voice=voice: heard.update({voice: synthesize("yes", voice)}))
        for voice in expected
    ]
    for speaker in speakers:
        speaker.start()
    for speaker in speakers:
        speaker.join()
    assert all(np.array_equal(heard[voice], expected[voice]) for voice in expected)


def test_pace_and_pitch_are_heard():
    slow, quick = (synthesize("a long sentence to say", Voice("m1", words_per_minute=pace)) for pace in (100, 300))
    assert len(slow) > 1.8 * len(quick)
    low, high = (synthesize("aaa", Voice("m1", pitch=pitch)) for pitch in (5, 95))
    assert fundamental_hz(high) > 1.2 * fundamental_hz(low)


def fundamental_hz(samples: np.ndarray) -> float:
    correlation = np.correlate(samples, samples, "full")[len(samples) - 1 :]
    return 16_000 / (40 + int(np.argmax(correlation[40:400])))


def test_a_varied_voice_keeps_throat_and_accent_and_follows_the_seed():
    voice = Voice("m3", "en-caribbean")
    varied = [voice.varied(np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert varied[0] == varied[1] != varied[2]
    assert {(one.variant, one.accent) for one in varied} == {("m3", "en-caribbean")}


@pytest.mark.parametrize("text", ["", "  ", "…", "a\0b"])
def test_a_text_without_words_is_refused(text):
    with pytest.raises(ConfigError, match="nothing to say"):
        synthesize(text, Voice("m1"))


@pytest.mark.parametrize(
    "options",
    [
        {"variant": "m99"},
        {"variant": "m1", "accent": "xx"},
        {"variant": "m1", "pitch": 100},
        {"variant": "m1", "words_per_minute": 10},
    ],
)
def test_a_voice_that_does_not_exist_is_refused(options):
    with pytest.raises(ConfigError):
        Voice(**options)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ConfigError, match=r"pip install 'speechtune\[demo\]'"):
        synthesize("yes", Voice("m1"))


def test_a_damaged_package_is_an_error_that_says_so(monkeypatch, tmp_path):
    import espeakng_loader

    broken = tmp_path / "libespeak-ng.so"
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(espeakng_loader, "get_library_path", lambda: str(broken))
    with pytest.raises(ConfigError, match="cannot be loaded"):
        synthesize("yes", Voice("m1"))
