"""What the decoder's vocabulary tells of words: read from packages and folders, and right about real speech."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from speechtune.audio.placement import place_by_energy
from speechtune.data.sets.clips import read_clip
from speechtune.data.sets.loading import load_clips
from speechtune.errors import CheckpointCorruptError
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.models.encoders.word_vectors import WordVectors, load_word_vectors
from tests.support.encoders import needs_packaged_weights, save_random_model
from tests.support.speech import SPEECH_FOLDER, needs_speech

VOCABULARY = ("stop", "Stop", "go", "lights", "3", "three", "Three", "x")
KEYWORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")


def save_tokenizer(folder: Path, words: tuple[str, ...] = VOCABULARY) -> None:
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(("[?]", *words))}, unk_token="[?]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_random_model("whisper", tmp_path)
    save_tokenizer(tmp_path)
    return tmp_path


def loaded(name: str | Path) -> WordVectors:
    vectors = load_word_vectors(str(name), may_fetch=False)
    assert vectors is not None
    return vectors


def test_a_word_lies_where_the_rows_of_its_spellings_lie(tmp_path: Path) -> None:
    model = save_random_model("whisper", tmp_path)
    save_tokenizer(tmp_path)
    rows = model.decoder.embed_tokens.weight.detach().numpy()
    centre = rows.mean(axis=0)
    stop, three, figure, lights = loaded(tmp_path).directions(("stop", "three", "3", "lights_on"))
    assert stop == pytest.approx(rows[[1, 2]].mean(axis=0) - centre, abs=1e-6)
    assert three == pytest.approx(rows[[5, 6, 7]].mean(axis=0) - centre, abs=1e-6)
    assert np.array_equal(three, figure)
    assert lights == pytest.approx(rows[[0, 4]].mean(axis=0) - centre, abs=1e-6)  # `Lights` is no word of this one's


def test_labels_that_are_no_words_have_no_direction(folder: Path) -> None:
    assert not loaded(folder).directions(("_unknown_", "_silence_", "...", "_")).any()


def test_a_folder_without_a_vocabulary_has_none(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (folder / "tokenizer.json").unlink()
    assert load_word_vectors(str(folder), may_fetch=False) is None
    other = tmp_path_factory.mktemp("wav2vec2")
    save_random_model("wav2vec2", other)
    save_tokenizer(other)
    assert load_word_vectors(str(other), may_fetch=False) is None


def test_the_hub_is_not_asked_for_what_was_not_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    assert load_word_vectors("somebody/something", may_fetch=False) is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot be read as a tokenizer"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"cut"), "cannot be read"),
        (lambda folder: save_tokenizer(folder, tuple(f"w{number}" for number in range(99))), "knows 100 tokens"),
    ],
    ids=["tokenizer", "weights", "of another model"],
)
def test_damaged_files_are_named(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder)
    with pytest.raises(CheckpointCorruptError, match=message):
        load_word_vectors(str(folder), may_fetch=False)


@needs_packaged_weights
def test_both_packaged_vocabularies_write_the_words_that_were_asked_for() -> None:
    for name in ("whisper-tiny.en", "whisper-base"):
        vectors = loaded(name)
        found = vectors.directions(KEYWORDS)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        for place, word in enumerate(KEYWORDS):
            token = vectors.tokenizer.encode(f" {word.capitalize()}", add_special_tokens=False).ids
            assert len(token) == 1
            assert int(np.argmax(found @ vectors.rows[token[0]].astype(np.float32))) == place


@needs_packaged_weights
@needs_speech
def test_the_decoder_tells_most_words_of_strangers_before_any_training(tiny_en: SpeechEncoder) -> None:
    clips = load_clips(SPEECH_FOLDER / "speech_commands_fewshot").clips
    clips = tuple(clip for clip in clips if clip.label in KEYWORDS)[::3]
    windows = np.stack([place_by_energy(read_clip(clip), 16_000) for clip in clips])
    with torch.inference_mode():
        states = tiny_en.state(tiny_en(torch.from_numpy(windows))[-1]).numpy()
    scores = states @ loaded("whisper-tiny.en").directions(KEYWORDS).T
    truth = np.array([KEYWORDS.index(clip.label) for clip in clips])
    assert len(clips) >= 30
    assert np.mean(np.argmax(scores - scores.mean(axis=0), axis=1) == truth) > 0.85
