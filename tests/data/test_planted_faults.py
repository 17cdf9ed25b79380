"""Inspection of real speech with every kind of fault planted in it: what is found, and who is accused wrongly."""

from dataclasses import replace

import pytest
import soundfile

from benchmarks.planted_faults import KINDS, clean_accused, missed, plant
from speechtune.data.inspection.inspect import inspect_clips
from speechtune.data.sets.clips import Clip, read_clip
from speechtune.data.sets.loading import load_clips
from speechtune.models.clip_embeddings import ClipEmbedder, ClipEncoder
from speechtune.models.encoders.loading import load_encoder
from tests.support.speech import SPEECH_FOLDER, needs_speech

pytestmark = needs_speech

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "cat", "dog", "house", "happy", "wow")
NUM_OF_EACH = 5


@pytest.fixture(scope="module")
def inspected(tmp_path_factory):
    data = load_clips(SPEECH_FOLDER / "speech_commands_fewshot")
    clips = [clip for clip in data.clips if clip.label in WORDS]
    planted = plant(clips, tmp_path_factory.mktemp("faults"), NUM_OF_EACH)
    embedder = ClipEmbedder(ClipEncoder(load_encoder("whisper-tiny.en")))
    return inspect_clips(data.with_clips(planted.clips), embedder=embedder), planted


def test_every_planted_fault_is_found(inspected):
    report, planted = inspected
    assert missed(report, planted) == {}
    assert len(planted.fault_of) == NUM_OF_EACH * len(KINDS)


def test_at_most_one_clean_clip_in_twenty_is_accused(inspected):
    num_accused, num_clean = clean_accused(*inspected)
    assert num_clean > 100
    assert num_accused / num_clean <= 0.05


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
    copy = tmp_path / "copy.ogg"
    soundfile.write(copy, 0.7 * read_clip(source), 16_000, format="OGG", subtype="VORBIS")
    clips.append(Clip(copy, source.label, split="train"))
    leaks = inspect_clips(data.with_clips(clips)).leaks
    kinds = {(found.split, found.leak.kind) for found in leaks}
    shares_speaker = any(clip.split == "test" and clip.speaker == first.speaker for clip in clips)
    assert kinds == ({("test", "copy"), ("test", "speaker")} if shares_speaker else {("test", "copy")})
