"""Channels in antiphase: named, and the louder one heard, by files, raw clips, streams and stretches alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.audio.files import read_sound
from speechtune.audio.pcm import PcmDecoder, PcmEncoding, PcmFormat
from speechtune.audio.sound_faults import sound_properties
from speechtune.audio.stretches import read_stretch
from speechtune.data.inspection.inspect import inspect_clips
from speechtune.data.sets.clips import Clip, ClipSet, content_hashes, read_clip
from speechtune.data.sets.manifest import load_manifest, write_manifest
from speechtune.errors import ManifestError, UnsupportedAudioError
from speechtune.evaluation.streams.recordings import audio_blocks
from tests.support.clips import word_like, write_audio
from tests.support.streaming import cut

WORD = word_like(3, 16_000)
ANTIPHASE = np.stack([WORD, -0.9 * WORD], axis=1)
STEREO = PcmFormat(PcmEncoding.FLOAT32, 16_000, channels=2)


def unlike(seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([WORD, WORD], axis=1) + 0.01 * rng.standard_normal((16_000, 2)).astype(np.float32)


def test_a_file_gives_the_louder_channel_and_says_so(tmp_path):
    path = write_audio(tmp_path / "a.wav", ANTIPHASE, subtype="FLOAT")
    sound = read_sound(path)
    np.testing.assert_array_equal(sound.samples, WORD)
    assert "channels cancel each other: their mean is 26 dB below channel 1" in sound.notes[0]
    np.testing.assert_array_equal(read_stretch(path, 4_000, 12_000), WORD[4_000:12_000])
    assert read_sound(path, channel=2).notes == ()
    np.testing.assert_array_equal(read_stretch(path, 0, 16_000, 2), ANTIPHASE[:, 1])
    with pytest.raises(UnsupportedAudioError, match="channel 3 is not there"):
        read_stretch(path, 0, 16_000, 3)


@pytest.mark.parametrize(
    "frames",
    [
        np.stack([WORD, WORD], axis=1),
        np.stack([WORD, np.zeros_like(WORD)], axis=1),
        np.stack([WORD, -0.5 * WORD], axis=1),
        unlike(),
        np.random.default_rng(1).standard_normal((16_000, 8)).astype(np.float32) * 0.1,
        np.zeros((16_000, 2), np.float32),
        np.full((16_000, 2), [0.3, -0.3], np.float32),
    ],
    ids=["same", "one empty", "softer antiphase", "a room", "eight of noise", "silence", "offsets"],
)
def test_ordinary_channels_are_averaged_as_ever(frames, tmp_path):
    path = write_audio(tmp_path / "a.wav", frames, subtype="FLOAT")
    sound = read_sound(path)
    np.testing.assert_array_equal(sound.samples, frames.mean(axis=1, dtype=np.float32))
    assert sound.notes == ()
    decoder = PcmDecoder(PcmFormat(PcmEncoding.FLOAT32, 16_000, channels=frames.shape[1]))
    np.testing.assert_array_equal(decoder.decode(frames.astype("<f4").tobytes()), sound.samples)
    assert decoder.notes == ()


@settings(max_examples=25)
@given(st.lists(st.integers(0, 9_000), max_size=20))
def test_a_stream_finds_out_within_a_few_hundredths_of_a_second_however_it_is_cut(lengths):
    decoder = PcmDecoder(STEREO)
    content = ANTIPHASE.astype("<f4").tobytes()
    samples = np.concatenate([decoder.decode(chunk) for chunk in cut(content, lengths)])
    np.testing.assert_array_equal(samples[2_000:], WORD[2_000:])
    assert not np.array_equal(samples[:100], WORD[:100])
    assert "channel 1" in decoder.notes[0]
    whole = PcmDecoder(STEREO)
    np.testing.assert_array_equal(whole.decode(content), samples)


def test_a_long_recording_is_heard_too(tmp_path):
    path = write_audio(tmp_path / "long.wav", np.tile(ANTIPHASE, (20, 1)))
    heard = np.concatenate(list(audio_blocks(path).blocks))
    assert np.abs(heard[16_000:] - np.tile(WORD, 19)).max() < 1e-3


def test_inspect_hears_the_voice_and_names_the_cause(tmp_path):
    path = write_audio(tmp_path / "yes" / "a.wav", ANTIPHASE)
    report = inspect_clips(ClipSet(tmp_path, (Clip(path, "yes"),))).clips[0]
    assert [finding.kind for finding in report.findings] == ["not_as_it_says"]
    assert report.measures.peak_dbfs == pytest.approx(sound_properties(WORD).peak_dbfs, abs=0.1)


def test_a_manifest_says_which_channel_each_clip_is(tmp_path):
    write_audio(tmp_path / "a.wav", np.stack([WORD, word_like(9, 16_000)], axis=1), subtype="FLOAT")
    path = tmp_path / "m.csv"
    path.write_text("path,label,channel\na.wav,yes,1\na.wav,no,2\n")
    clips = load_manifest(path)
    np.testing.assert_array_equal(read_clip(clips.clips[1]), word_like(9, 16_000))
    assert len(set(content_hashes(clips.clips))) == 2
    write_manifest(tmp_path / "again.jsonl", clips)
    assert [clip.channel for clip in load_manifest(tmp_path / "again.jsonl").clips] == [1, 2]
    path.write_text("path,label,channel\na.wav,yes,0\n")
    with pytest.raises(ManifestError, match="line 2: channel"):
        load_manifest(path)
