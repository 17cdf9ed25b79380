"""Files of every kind a user brings, sound ones and damaged ones."""

from __future__ import annotations

import errno
import io
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechtune.audio.files import decode_audio, read_audio, write_flac
from speechtune.errors import UnreadableAudioError, UnsupportedAudioError


def tone(rate_hz: int, seconds: float = 0.5, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def loudest_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * 16_000 / len(samples))


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_tone_survives_any_rate(tmp_path: Path, rate_hz: int, suffix: str) -> None:
    soundfile.write(tmp_path / f"a.{suffix}", tone(rate_hz), rate_hz)
    samples = read_audio(tmp_path / f"a.{suffix}")
    assert samples.dtype == np.float32
    assert abs(len(samples) - 8_000) <= 1
    assert abs(loudest_hz(samples) - 440.0) < 4.0
    assert np.abs(samples[1_000:-1_000]).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_every_width_of_wav_is_read(tmp_path: Path, subtype: str) -> None:
    soundfile.write(tmp_path / "a.wav", tone(16_000), 16_000, subtype=subtype)
    assert np.abs(read_audio(tmp_path / "a.wav") - tone(16_000)).max() < 0.03


def test_ogg_is_read(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.ogg", tone(16_000, 1.0), 16_000)
    assert abs(loudest_hz(read_audio(tmp_path / "a.ogg")) - 440.0) < 4.0


def test_stereo_is_averaged(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([tone(16_000), -0.5 * tone(16_000)], axis=1), 16_000, subtype="FLOAT")
    assert np.allclose(read_audio(tmp_path / "a.wav"), 0.25 * tone(16_000), atol=1e-6)


def test_bytes_in_memory_read_as_the_file_does(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", tone(22_050), 22_050)
    assert np.array_equal(decode_audio((tmp_path / "a.flac").read_bytes(), "clip"), read_audio(tmp_path / "a.flac"))


def test_a_flac_that_finds_no_room_is_told_by_its_error_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("speechtune.audio.files.writing_whole", lambda path, mode: nullcontext(Full()))
    with pytest.raises(OSError, match="No space"):
        write_flac(tmp_path / "a.flac", tone(16_000))
    assert capfd.readouterr().err == ""


def test_a_flac_written_reads_back_to_the_last_bit(tmp_path: Path) -> None:
    samples = np.round(tone(16_000) * 32_768) / 32_768
    write_flac(tmp_path / "a.flac", samples.astype(np.float32))
    assert np.array_equal(read_audio(tmp_path / "a.flac"), samples.astype(np.float32))
    assert [path.name for path in tmp_path.iterdir()] == ["a.flac"]


def test_a_flac_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises((OSError, soundfile.LibsndfileError)):
        write_flac(tmp_path / "nowhere" / "a.flac", tone(16_000))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableAudioError, match=r"gone\.wav: cannot be opened"):
        read_audio(tmp_path / "gone.wav")


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not audio at all" * 100, b"\0" * 1_000])
def test_what_is_not_audio_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.wav").write_bytes(content)
    with pytest.raises(UnreadableAudioError, match=r"bad\.wav"):
        read_audio(tmp_path / "bad.wav")


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_file_without_samples_is_named(tmp_path: Path, suffix: str) -> None:
    soundfile.write(tmp_path / f"empty.{suffix}", np.zeros(0, dtype=np.float32), 16_000)
    with pytest.raises(UnreadableAudioError, match="empty"):
        read_audio(tmp_path / f"empty.{suffix}")


def test_a_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    whole = tmp_path / "whole.flac"
    soundfile.write(whole, np.random.default_rng(0).uniform(-0.5, 0.5, 16_000), 16_000)
    cut = tmp_path / "cut.flac"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(UnreadableAudioError, match=r"cut\.flac"):
        read_audio(cut)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_numbers_are_refused(tmp_path: Path, value: float) -> None:
    samples = tone(16_000)
    samples[100] = value
    soundfile.write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(UnreadableAudioError, match=r"nan\.wav.*NaN"):
        read_audio(tmp_path / "nan.wav")


def test_a_file_of_a_hundred_megabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(16, dtype=np.int16), 16_000)
    header = bytearray(path.read_bytes()[:44])
    num_bytes = 100_000_000
    header[4:8] = (num_bytes + 36).to_bytes(4, "little")
    header[40:44] = num_bytes.to_bytes(4, "little")
    with path.open("wb") as file:
        file.write(header)
        file.truncate(num_bytes + 44)  # a hole on disk: no time is spent on it
    with pytest.raises(UnsupportedAudioError, match=r"long\.wav: 3125 s long, at most 600 s"):
        read_audio(path)


def test_a_rate_beyond_reason_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "slow.wav", np.zeros(100, dtype=np.int16), 1_000)
    with pytest.raises(UnsupportedAudioError, match="1000 Hz"):
        read_audio(tmp_path / "slow.wav")
