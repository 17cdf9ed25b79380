from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from data_scripts.mix_long_stream import main
from speechtune.audio.files import write_flac
from speechtune.evaluation.streams.recordings import find_recordings
from tests.support.streaming import quiet, tone


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    for index in range(30):
        folder = tmp_path / "commands" / ("low" if index % 2 else "high")
        folder.mkdir(parents=True, exist_ok=True)
        write_flac(folder / f"{index}.flac", np.concatenate([quiet(800), tone(250 + 10 * index, 5_000), quiet(700)]))
    (tmp_path / "sentences").mkdir()
    (tmp_path / "noise").mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        write_flac(tmp_path / "sentences" / f"{index}.flac", tone(600, 20_000 + index))
        noise = (0.1 * rng.standard_normal(30_000)).astype(np.float32)
        write_flac(tmp_path / "noise" / f"{index}.flac", noise)
    noise = ["--noise", str(tmp_path / "noise"), "--minutes", "0.5"]
    return [str(tmp_path / "commands"), str(tmp_path / "sentences"), *noise]


def test_each_level_has_a_recording_and_its_truth_and_no_command_is_used_twice(sources, tmp_path):
    assert main([*sources[:2], str(tmp_path / "out"), *sources[2:], "--snr-db", "20,0", "--minutes", "0.2"]) == 0
    loud, soft = find_recordings(tmp_path / "out")
    assert (loud.name, soft.name) == ("snr_0.flac", "snr_20.flac")
    assert len(loud.spoken) + len(soft.spoken) == 30
    samples, rate_hz = soundfile.read(soft.path)
    assert rate_hz == 16_000
    tones = set()
    for word in soft.spoken:
        heard = samples[word.start_sample : word.end_sample]
        tones.add(round(np.abs(np.fft.rfft(heard, 16_000)).argmax() / 10))
        assert len(heard) == pytest.approx(5_000, abs=800)
    assert len(tones) == len(soft.spoken)


def test_the_noise_lies_as_far_below_the_speech_as_asked(sources, tmp_path):
    assert main([*sources[:2], str(tmp_path / "out"), *sources[2:], "--snr-db", "10"]) == 0
    samples, _ = soundfile.read(tmp_path / "out" / "snr_10.flac")
    pause = samples[:4_800]  # each recording begins with a pause
    assert 10 * np.log10(np.square(pause).mean()) == pytest.approx(-35.0, abs=1.0)


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(sources, tmp_path):
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        assert main([*sources[:2], str(tmp_path / name), *sources[2:], "--snr-db", "10", "--seed", seed]) == 0
    first, second, third = ((tmp_path / name / "snr_10.flac").read_bytes() for name in "abc")
    assert first == second != third


def test_commands_that_run_out_are_an_error_and_leave_no_file(sources, tmp_path, capsys):
    assert main([*sources[:2], str(tmp_path / "out"), *sources[2:], "--minutes", "60"]) == 2
    assert "30 commands fill" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []
