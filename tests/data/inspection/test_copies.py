"""Copies among many recordings: found however they were made, and nobody else accused."""

import io

import numpy as np
import pytest
import soundfile

from speechtune.audio.files import decode_audio
from speechtune.audio.fingerprint import SoundPrint, fingerprint_sound
from speechtune.data.inspection.copies import find_copies
from speechtune.data.sets.clips import read_clip
from speechtune.data.sets.loading import load_clips
from tests.support.clips import word_like
from tests.support.speech import SPEECH_FOLDER, needs_speech


def through(samples, **form):
    content = io.BytesIO()
    soundfile.write(content, samples, 16_000, **form)
    return decode_audio(content.getvalue(), "copy")


def nothing_to_read(place):
    raise AssertionError(f"{place} was read")


def test_copies_are_paired_with_the_earlier_one_and_nothing_else_is():
    words = [word_like(seed) for seed in range(30)]
    words += [0.3 * words[4], through(words[9], format="FLAC", subtype="PCM_16"), words[4][480:]]
    found = find_copies([None, *map(fingerprint_sound, words)], lambda place: words[place - 1])
    assert {(5, 31), (10, 32)} <= set(found)
    assert {pair[1] for pair in found} == {31, 32, 33}


def test_where_there_is_nothing_to_compare_nothing_is_read():
    print_ = fingerprint_sound(word_like(1))
    assert find_copies([], nothing_to_read) == find_copies([None, print_, None], nothing_to_read) == []


def test_prints_alike_of_sounds_that_are_not_are_no_copies():
    print_ = fingerprint_sound(word_like(1))
    assert find_copies([print_, print_], word_like) == []
    assert find_copies([print_, print_], lambda _place: word_like(1)) == [(0, 1)]


def test_copies_among_thousands_are_found_without_comparing_all_pairs():
    rng = np.random.default_rng(0)
    num, num_copies = 5_000, 200
    shapes = rng.standard_normal((num, 99), np.float32) * (6.5 / (1.0 + np.arange(99) / 4.0))
    shapes[-num_copies:] = shapes[:num_copies] + 0.15 * rng.standard_normal((num_copies, 99))
    words = rng.integers(0, 2**32, (num, 4), dtype=np.uint32)
    words[-num_copies:] = words[:num_copies]
    is_loud = np.ones(4, dtype=bool)
    prints = [SoundPrint(*parts) for parts in zip(words, [is_loud] * num, shapes.astype(np.float32), strict=True)]
    read = []
    found = find_copies(prints, lambda place: read.append(place) or word_like(7, 800))
    right = {(place, num - num_copies + place) for place in range(num_copies)}
    assert len(right.intersection(found)) >= 0.97 * num_copies
    assert len(read) < 3 * num_copies


@needs_speech
@pytest.mark.parametrize(("name", "pattern"), [("fsdd", "^([a-z]+)_"), ("speech_commands_fewshot", None)])
def test_of_real_takes_none_is_called_a_copy_and_every_copy_is_found(name, pattern):
    clips = load_clips(SPEECH_FOLDER / name, pattern).clips[::3]
    sounds = [read_clip(clip) for clip in clips]
    originals = list(range(0, len(clips), len(clips) // 40))
    forms = [
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "OGG", "subtype": "OPUS"},
        {"format": "MP3", "subtype": "MPEG_LAYER_III"},
        {"format": "FLAC", "subtype": "PCM_24"},
    ]
    for number, place in enumerate(originals):
        sounds.append(through(0.4 * sounds[place][160:], **forms[number % len(forms)]))
    found = find_copies([fingerprint_sound(sound) for sound in sounds], lambda place: sounds[place])
    expected = {(place, len(clips) + number) for number, place in enumerate(originals)}
    assert len(expected.intersection(found)) >= 0.95 * len(expected)
    assert not set(found) - expected
