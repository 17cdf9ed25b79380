from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechtune.data.sets.clips import read_clip
from speechtune.data.sets.loading import load_negatives
from speechtune.errors import ConfigError, UnreadableAudioError
from speechtune.evaluation.reports.mined_folder import MINED_PAGE_NAME, Miner, write_mined
from speechtune.evaluation.streams.matching import SpokenWord
from speechtune.evaluation.streams.mining import mine
from speechtune.evaluation.streams.playback import Playback, play
from speechtune.evaluation.streams.recordings import find_recordings, read_part
from speechtune.evaluation.streams.truth import write_truth
from speechtune.recipe import DetectorSettings, SessionSettings
from speechtune.streaming.decision import stricter
from tests.support.chromium import Browser, needs_chromium, open_page
from tests.support.clips import write_audio
from tests.support.streaming import LoudnessActivity, PitchScorer, quiet, tone

MINER = Miner("pitch", "0f" * 32)


def impure(hz: float, share: float, num_samples: int = 6_000) -> np.ndarray:
    """A tone that `PitchScorer` is about as sure of as `share`."""
    return (np.sqrt(share) * tone(hz, num_samples) + np.sqrt(1 - share) * tone(600, num_samples)).astype(np.float32)


def tape(*sounds: np.ndarray) -> np.ndarray:
    return np.concatenate([quiet(16_000), *(part for sound in sounds for part in (sound, quiet(16_000)))])


def heard(folder: Path, settings: SessionSettings | None = None) -> Playback:
    return play(PitchScorer(), LoudnessActivity(), find_recordings(folder), settings)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    sounds = (impure(250, 0.95), impure(1000, 0.3), impure(250, 0.03), impure(1000, 0.7), tone(600, 6_000))
    write_audio(tmp_path / "room" / "a.wav", tape(*sounds), subtype="FLOAT")
    return tmp_path / "room"


def test_what_fired_and_what_came_near_is_found_strongest_first(room):
    mining = mine(heard(room))
    assert [(one.label, one.fired) for one in mining.stretches] == [("low", True), ("high", True), ("high", False)]
    assert [one.confidence for one in mining.stretches] == pytest.approx([0.93, 0.69, 0.29], abs=0.03)
    assert all(one.threshold == pytest.approx(0.5) for one in mining.stretches)
    assert [round(one.start_sample / 22_000 - 0.6) for one in mining.stretches] == [0, 3, 1]
    assert all(one.clip_start < one.start_sample < one.end_sample < one.clip_end for one in mining.stretches)


def test_the_margin_and_the_bound_decide_how_much_is_kept(room):
    playback = heard(room)
    assert [one.fired for one in mine(playback, margin=0.0).stretches] == [True, True]
    assert [one.label for one in mine(playback, margin=5.0).stretches] == ["low", "high", "high", "low"]
    few = mine(playback, margin=5.0, most=2)
    assert (len(few.stretches), few.num_weaker, few.num_fired) == (2, 2, 2)
    for margin in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="--margin"):
            mine(playback, margin=margin)


def test_with_no_margin_it_is_just_what_the_sessions_reported(tmp_path):
    rng = np.random.default_rng(1)
    for name in "ab":
        sounds = [impure(rng.choice([250, 1000]), rng.uniform(0.1, 1.0), 6_000) for _ in range(9)]
        long = np.concatenate([tone(600, 20_000), tone(250, 20_000), tone(600, 20_000)])
        write_audio(tmp_path / f"{name}.wav", tape(*sounds, long), subtype="FLOAT")
    playback = heard(tmp_path)
    reported = {(one.recording.name, e.start_sample, e.label) for one in playback.heard for e in one.detections}
    found = mine(playback, margin=0.0).stretches
    assert {(one.recording.name, one.start_sample, one.label) for one in found} == reported
    assert len(found) == len(reported) > 5


def test_no_sound_comes_twice_and_long_speech_asks_for_more(tmp_path):
    long = np.concatenate([tone(600, 40_000), tone(250, 24_000), tone(600, 40_000)])
    write_audio(tmp_path / "a.wav", tape(long), subtype="FLOAT")
    playback = heard(tmp_path)
    (found,) = mine(playback, margin=0.0).stretches
    more = mine(playback, margin=8.0).stretches
    assert found in more
    assert not any(a.is_around(b.middle) for a in more for b in more if a is not b)
    caution = DetectorSettings().long_speech_caution
    assert found.threshold == pytest.approx(stricter(0.5, caution))
    assert all(one.clip_end - one.clip_start <= 4 * 16_000 for one in more)


def test_of_events_that_lie_on_each_other_the_strongest_is_kept(tmp_path):
    both = [
        np.concatenate([impure(hz, share, 5_000) for hz, share in order])
        for order in ([(250, 0.7), (1000, 1.0)], [(1000, 1.0), (250, 0.7)])
    ]
    filler = tone(600, 30_000)
    write_audio(tmp_path / "a.wav", tape(*(np.concatenate([filler, one, filler]) for one in both)), subtype="FLOAT")
    playback = heard(tmp_path, SessionSettings(detector=DetectorSettings(long_speech_caution=0.0, threshold=0.2)))
    kept = mine(playback, margin=0.0).stretches
    events = playback.heard[0].detections
    assert len(kept) < len(events)
    for event in events:
        middle = (event.start_sample + event.end_sample) // 2
        around = [one for one in kept if one.is_around(middle) or event.start_sample <= one.middle < event.end_sample]
        assert max(one.confidence for one in around) >= event.confidence


def test_one_threshold_of_the_settings_stands_above_the_models(room):
    settings = SessionSettings(detector=DetectorSettings(threshold=0.8))
    assert [one.fired for one in mine(heard(room, settings)).stretches] == [True, False]


def test_what_a_label_track_says_was_said_is_left_out(room):
    write_truth(room / "a.txt", [SpokenWord("low", 17_000, 21_000), SpokenWord("low", 40_000, 40_100)])
    mining = mine(heard(room))
    # The second word lies on what came near `high`: any command in a clip makes it useless as a negative.
    assert [one.label for one in mining.stretches] == ["high"]
    assert mining.num_on_words == 2


def test_the_folder_is_ready_as_negatives_and_tells_where_each_clip_is_from(room, tmp_path):
    mining = mine(heard(room))
    write_mined(tmp_path / "hard", mining, MINER)
    negatives = load_negatives(tmp_path / "hard")
    assert [clip.label for clip in negatives.clips] == ["_unknown_"] * 3
    for clip, stretch in zip(negatives.clips, mining.stretches, strict=True):
        cut = read_part(stretch.recording, stretch.clip_start, stretch.clip_end)
        np.testing.assert_allclose(read_clip(clip), cut, atol=1e-4)
        assert clip.path.suffix == ".flac"
        assert clip.source == room / "a.wav"
        assert clip.session == "a.wav"
        told = dict(clip.extra)
        assert float(told["x_offset_seconds"]) == pytest.approx(stretch.clip_start / 16_000, abs=1e-3)
        assert (told["x_nearest"], told["x_fired"]) == (stretch.label, "yes" if stretch.fired else "no")
        assert float(told["x_posterior"]) == pytest.approx(stretch.confidence, abs=1e-4)
        assert float(told["x_threshold"]) == pytest.approx(0.5)
    page = (tmp_path / "hard" / MINED_PAGE_NAME).read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert page.count("data:audio/flac;base64,") == 3


def test_the_folder_appears_whole_or_not_at_all(room, tmp_path):
    mining = mine(heard(room))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("kept")
    with pytest.raises(ConfigError, match="holds something already"):
        write_mined(tmp_path / "full", mining, MINER)
    (room / "a.wav").unlink()
    with pytest.raises(UnreadableAudioError, match=r"a\.wav"):
        write_mined(tmp_path / "hard", mining, MINER)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "room"]


@needs_chromium
def test_the_page_plays_what_was_mined_and_asks_the_network_for_nothing(room, tmp_path):
    write_mined(tmp_path / "hard", mine(heard(room)), MINER)
    running = Browser(tmp_path / "profile")
    try:
        with open_page(running, tmp_path / "hard" / MINED_PAGE_NAME, width=390) as page:
            listed = "[...document.querySelectorAll('.clip')].map(clip => clip.textContent)"
            assert [one[:10].strip() for one in page.evaluate(listed)] == ["fired low", "fired high", "nearly hig"]
            assert page.evaluate("document.querySelectorAll('.clip audio').length") == 3
            page.evaluate(
                "{ const kind = document.querySelector('select[aria-label=kind]'); kind.value = 'near'; "
                "kind.dispatchEvent(new Event('change')); }"
            )
            assert len(page.evaluate(listed)) == 1
            assert "Leaks between" not in page.evaluate("document.body.innerText")
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            assert [address for address in page.requests[1:] if not address.startswith("data:")] == []
            assert page.complaints == []
    finally:
        running.close()
