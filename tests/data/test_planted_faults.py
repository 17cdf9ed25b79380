"""Inspection of real speech with every kind of fault planted in it: what is found, and who is accused wrongly."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from speechtune.data.clips import Clip, read_clip
from speechtune.data.inspection import inspect_clips
from speechtune.data.loading import load_clips
from tests.support.speech import SPEECH_FOLDER, needs_speech

pytestmark = needs_speech

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "cat", "dog", "house", "happy", "wow")
NUM_OF_A_KIND = 5


def write(path, samples, **form):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, 16_000, **form)
    return path


def plant(tmp_path, clips):
    """The clips with faults in some of them, and the kinds that each planted file must be found with."""
    rng = np.random.default_rng(0)
    order = [int(place) for place in rng.permutation(len(clips))]
    expected, planted = {}, list(clips)

    def take():
        place = order.pop()
        clip = clips[place]
        path = tmp_path / "planted" / f"{place}.flac"
        return place, clip, path, read_clip(clip)

    def put(place, clip, path, kinds):
        planted[place] = replace(clip, path=path)
        expected[path] = kinds

    for _ in range(NUM_OF_A_KIND):
        place, clip, path, samples = take()
        loud = np.clip(samples / np.abs(samples).max() * 5.0, -1.0, 1.0)
        put(place, clip, write(path, loud), {"clipped"})
        place, clip, path, samples = take()
        put(place, clip, write(path, 1e-4 * rng.standard_normal(16_000)), {"silent"})
        place, clip, path, samples = take()
        centre = int(np.argmax(np.convolve(np.square(samples), np.ones(1_600), "same")))
        put(place, clip, write(path, samples[centre:] if centre < 12_000 else samples[:centre]), CUT)
        place, clip, path, samples = take()
        other = WORDS[(WORDS.index(clip.label) + 1 + int(rng.integers(len(WORDS) - 1))) % len(WORDS)]
        put(place, replace(clip, label=other), write(path, samples), {"sounds_like_another"})
    forms = [
        ({"format": "FLAC", "subtype": "PCM_24"}, ".flac"),
        ({"format": "OGG", "subtype": "VORBIS"}, ".ogg"),
        ({"format": "OGG", "subtype": "OPUS"}, ".opus"),
        ({"format": "MP3", "subtype": "MPEG_LAYER_III"}, ".mp3"),
        ({"format": "WAV", "subtype": "PCM_16"}, ".wav"),
    ]
    for number, (form, suffix) in enumerate(forms):
        _, clip, path, samples = take()
        shift = int(rng.integers(0, 500))
        louder = 0.5 * np.concatenate([samples[shift:], np.zeros(shift, dtype=np.float32)])
        copy = write(path.with_name(f"copy{number}{suffix}"), louder, **form)
        planted.append(replace(clip, path=copy))
        expected[copy] = {"near_duplicate"}
        _, clip, path, samples = take()
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(clip.path, path)
        planted.append(replace(clip, path=path))
        expected[path] = {"duplicate"}
    return planted, expected


CUT = {"cut_off_start", "cut_off_end"}


@pytest.fixture(scope="module")
def inspected(tmp_path_factory):
    from speechtune.models.likeness import EncoderListener, LikenessEncoder
    from speechtune.models.registry import load_encoder

    data = load_clips(SPEECH_FOLDER / "speech_commands_fewshot")
    clips, expected = plant(tmp_path_factory.mktemp("faults"), [clip for clip in data.clips if clip.label in WORDS])
    listener = EncoderListener(LikenessEncoder(load_encoder("whisper-tiny.en")))
    return inspect_clips(data.with_clips(clips), listener=listener), expected


def test_every_planted_fault_is_found(inspected):
    report, expected = inspected
    found = {one.clip.path: {finding.kind for finding in one.findings} for one in report.clips}
    missed = {path.name: (kinds, found[path]) for path, kinds in expected.items() if not kinds & found[path]}
    assert missed == {}
    assert len(expected) == 6 * NUM_OF_A_KIND


def test_at_most_one_clean_clip_in_twenty_is_accused(inspected):
    report, expected = inspected
    clean = [one for one in report.clips if one.clip.path not in expected]
    accused = [one for one in clean if one.findings]
    assert len(clean) > 100
    assert len(accused) / len(clean) <= 0.05, [(one.clip.path.name, one.findings) for one in accused]


def test_a_speaker_and_a_copied_sound_on_both_sides_are_leaks(tmp_path):
    data = load_clips(SPEECH_FOLDER / "speech_commands_fewshot")
    some = [clip for clip in data.clips if clip.label in WORDS[:4]]
    speakers = sorted({clip.speaker for clip in some})
    test_speakers = set(speakers[::4])
    clips = [replace(clip, split="test" if clip.speaker in test_speakers else "train") for clip in some]
    assert inspect_clips(data.with_clips(clips)).leaks == ()
    first = next(clip for clip in clips if clip.split == "test")
    clips[clips.index(first)] = replace(first, split="train")
    source = next(clip for clip in clips if clip.split == "test" and clip.speaker != first.speaker)
    copy = write(tmp_path / "copy.ogg", 0.7 * read_clip(source), format="OGG", subtype="VORBIS")
    clips.append(Clip(copy, source.label, split="train"))
    leaks = inspect_clips(data.with_clips(clips)).leaks
    kinds = {(found.split, found.leak.kind) for found in leaks}
    shares_speaker = any(clip.split == "test" and clip.speaker == first.speaker for clip in clips)
    assert kinds == ({("test", "copy"), ("test", "speaker")} if shares_speaker else {("test", "copy")})
