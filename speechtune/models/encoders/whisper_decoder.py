"""What Whisper's decoder is about to say first: one vector for a whole window.

Asked for its first word, the decoder attends to all frames and gathers what tells one word from another. Its state at
that moment, before any word is chosen, is a pooling that was learnt on 680,000 hours of speech, and it costs a tenth of
the encoder. It is measured beside the pooled frames in `docs/figures/few-clips.md`.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from speechtune.errors import CheckpointIncompatibleError
from speechtune.models.encoders.bounds import Few, InnerWidth, NumHeads, NumLayers

PROMPTS: dict[int, tuple[int, ...]] = {
    51_864: (50_257, 50_362),
    51_865: (50_258, 50_259, 50_359, 50_363),
    51_866: (50_258, 50_259, 50_360, 50_364),
}
"""Size of the vocabulary -> start of transcript, (English, transcribe,) no timestamps."""


class DecoderShape(BaseModel):
    """The dimensions that rebuild the decoder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: NumLayers
    attention_heads: NumHeads
    ffn_dim: InnerWidth
    prompt_length: Few


class FirstWordState(nn.Module):
    """Whisper's decoder on its prompt alone, without a vocabulary.

    Args:
        width: D, of frames and states alike.
        shape: the other dimensions.
        layers: the decoder's layers, as `transformers` makes them.
    """

    causal_mask: Tensor

    def __init__(self, width: int, shape: DecoderShape, layers: nn.ModuleList) -> None:
        super().__init__()
        self.shape = shape
        # Embeddings and positions of the prompt, added up: all that is needed of the vocabulary's table.
        self.prompt = nn.Parameter(torch.zeros(shape.prompt_length, width), requires_grad=False)
        self.layers = layers
        self.layer_norm = nn.LayerNorm(width)
        size = shape.prompt_length
        mask = torch.full((size, size), float("-inf"), device="cpu").triu(1)
        self.register_buffer("causal_mask", mask[None, None], persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Last frames float32[B, T, D] of the encoder to states float32[B, D]."""
        hidden = self.prompt.expand(frames.shape[0], -1, -1)
        for layer in self.layers:
            hidden = layer(
                hidden, attention_mask=self.causal_mask.to(hidden.dtype), encoder_hidden_states=frames, use_cache=False
            )
        last: Tensor = self.layer_norm(hidden[:, -1])
        return last


def prompt_tokens(vocabulary_size: int) -> tuple[int, ...]:
    """The tokens that ask for a transcript; a multilingual model is asked for English.

    Raises:
        CheckpointIncompatibleError: a vocabulary that is not Whisper's.
    """
    if vocabulary_size not in PROMPTS:
        known = ", ".join(str(size) for size in PROMPTS)
        raise CheckpointIncompatibleError(f"a vocabulary of {vocabulary_size} tokens; Whisper's have {known}")
    return PROMPTS[vocabulary_size]


def empty_decoder(width: int, shape: DecoderShape, **settings: Any) -> FirstWordState:
    """A decoder of that shape with random weights; `settings` are those of `transformers.WhisperConfig`."""
    from transformers.models.whisper.configuration_whisper import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperDecoderLayer

    config = WhisperConfig(
        d_model=width,
        decoder_layers=shape.layers,
        decoder_attention_heads=shape.attention_heads,
        decoder_ffn_dim=shape.ffn_dim,
        attn_implementation="sdpa",
        **settings,
    )
    layers = nn.ModuleList(WhisperDecoderLayer(config, index) for index in range(shape.layers))
    return FirstWordState(width, shape, layers)
