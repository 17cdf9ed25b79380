"""Long speech cut at word-like places: the pieces, the places, and the clips made of them."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from speechtune.audio.files import read_audio
from speechtune.audio.levels import active_range
from speechtune.data.choice.folds import folds
from speechtune.data.inspection.leaks import find_leaks
from speechtune.data.sets.clips import Clip, read_clip
from speechtune.data.sets.long_clips import cut_long_clips
from speechtune.data.sets.word_cuts import cut_at_words
from tests.support.clips import word_like, write_audio
from tests.support.speech import SPEECH_FOLDER, needs_speech

WINDOW = 16_000


def sentence(num_words: int, pause_samples: int = 3_200, seed: int = 0) -> np.ndarray:
    pause = 0.0005 * np.random.default_rng(seed).standard_normal(pause_samples).astype(np.float32)
    return np.concatenate([pause, *(part for n in range(num_words) for part in (word_like(seed + n, 8_000), pause))])


def test_words_with_pauses_between_are_a_piece_each():
    pieces = cut_at_words(sentence(5), WINDOW)
    assert len(pieces) == 5
    for number, (start, end) in enumerate(pieces):
        middle = 3_200 + number * 11_200 + 4_000
        assert start < middle < end


@pytest.mark.parametrize("window", [8_000, 16_000, 32_000])
def test_pieces_are_in_order_and_fit_in_the_window(window):
    pieces = cut_at_words(sentence(30, pause_samples=400), window)
    assert pieces
    assert all(0 < end - start <= window for start, end in pieces)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(pieces))


@pytest.mark.parametrize("num_samples", [0, 1, 319, 5_000, 100_000])
def test_silence_of_any_length_has_no_pieces(num_samples):
    assert cut_at_words(np.zeros(num_samples, dtype=np.float32), WINDOW) == []


def test_a_window_that_holds_nothing_gives_no_pieces():
    assert cut_at_words(sentence(3), 300) == []


@needs_speech
def test_real_words_run_together_are_cut_apart_more_often_than_chance_would():
    paths = sorted((SPEECH_FOLDER / "speech_commands_fewshot").glob("*/*.flac"))[::4]
    words = [clip[slice(*(active_range(clip) or (0, None)))] for clip in map(read_audio, paths)]
    rng = np.random.default_rng(0)
    quiet = 0.0005 * rng.standard_normal(8_000).astype(np.float32)
    near = by_chance = total = 0
    for _ in range(20):
        said = [words[place] / np.abs(words[place]).max() for place in rng.permutation(len(words))[:8]]
        speech = np.concatenate([quiet, *said, quiet])
        borders = len(quiet) + np.cumsum([len(word) for word in said])[:-1]
        edges = np.unique(cut_at_words(speech, WINDOW))[1:-1]
        random = rng.integers(len(quiet), len(speech) - len(quiet), len(edges))
        for places in (edges, random):
            found = (np.abs(places[:, None] - borders).min(axis=0) <= 960).sum()
            near, by_chance = (near + found, by_chance) if places is edges else (near, by_chance + found)
        total += len(borders)
    assert near / total > 0.45
    assert near > 2 * by_chance


@needs_speech
def test_real_sentences_become_pieces_of_about_a_word():
    paths = sorted((SPEECH_FOLDER / "sentences_dev").glob("*.flac"))[::15]
    lengths = [end - start for path in paths for start, end in cut_at_words(read_audio(path), WINDOW)]
    assert len(lengths) > 3 * len(paths)
    assert 0.3 * WINDOW < np.median(lengths) < 0.8 * WINDOW
    assert max(lengths) <= WINDOW


def recording(path: Path, num_words: int, seed: int = 0) -> Clip:
    return Clip(write_audio(path, sentence(num_words, seed=seed)), "_unknown_", word="a sentence", id="7")


def test_long_clips_become_stretches_of_their_files_and_short_ones_stay(tmp_path):
    long, short = recording(tmp_path / "long.wav", 6), recording(tmp_path / "short.wav", 1)
    pieces = cut_long_clips([long, short], WINDOW)
    assert len(pieces) == 7
    assert pieces[-1] == short
    assert all(piece.path == long.path and piece.label == "_unknown_" for piece in pieces[:-1])
    assert all(piece.word is None and piece.id is None for piece in pieces[:-1])
    assert all(len(read_clip(piece)) == piece.num_samples for piece in pieces[:-1])


def test_a_stretch_is_cut_within_its_ends(tmp_path):
    long = recording(tmp_path / "long.wav", 8)
    stretch = Clip(long.path, "_unknown_", start_sample=20_000, end_sample=70_000)
    pieces = cut_long_clips([stretch], WINDOW)
    assert pieces
    assert all(piece.stretch[0] >= 20_000 and (piece.stretch[1] or 0) <= 70_000 for piece in pieces)


def test_a_recording_of_minutes_is_cut_without_a_break_at_the_minute(tmp_path):
    long = recording(tmp_path / "long.wav", 200)
    whole = cut_at_words(read_audio(long.path), WINDOW)
    pieces = [piece.stretch for piece in cut_long_clips([long], WINDOW)]
    assert len(whole) == 200
    assert len(pieces) == 200
    assert np.abs(np.array(pieces) - np.array(whole)).max() <= 320


def test_pieces_of_one_recording_on_two_sides_are_a_leak_and_in_one_fold(tmp_path):
    pieces = [
        piece
        for number in range(4)
        for piece in cut_long_clips([recording(tmp_path / f"{number}.wav", 6, seed=number * 10)], WINDOW)
    ]
    kinds = [leak.kind for leak in find_leaks(pieces[:3], pieces[3:6])]
    assert kinds == ["recording"]
    fold_of = folds(pieces, 4)
    assert {len(set(fold_of[start : start + 6])) for start in range(0, 24, 6)} == {1}
    assert sorted(set(fold_of)) == [0, 1, 2, 3]
