"""A model of spoken commands that speechtune made, for `transformers`: this file, torch, numpy and nothing else.

    from transformers import pipeline
    classify = pipeline("audio-classification", FOLDER, trust_remote_code=True)

The model takes windows of `config.window_samples` samples at 16 kHz and gives the logarithms of calibrated posteriors:
softmax of them is the posteriors. The feature extractor puts each clip in such a window. What speechtune does beyond
one window (listening to a stream, thresholds of its events) is not here; `config.thresholds` has the thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor
from transformers.feature_extraction_utils import BatchFeature
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.models.auto.configuration_auto import AutoConfig
from transformers.models.auto.modeling_auto import AutoModel
from transformers.models.whisper.configuration_whisper import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperDecoderLayer, WhisperEncoder

_SAMPLE_RATE_HZ = 16_000
_FRAME_SAMPLES, _HOP_SAMPLES = 400, 160
_BLOCK_SAMPLES, _BLOCKS_PER_FRAME, _BLOCKS_PER_HOP = 80, 5, 2
_SMALLEST = 1e-12


class SpeechtuneConfig(PretrainedConfig):  # type: ignore[misc]
    """What the model is made of.

    Attributes:
        encoder: the dimensions of the encoder; `family` is whisper, wav2vec2, hubert or wavlm.
        layers: layers of the encoder that are pooled, counted from 1.
        num_segments: equal parts of the window whose means are told apart.
        uses_decoder: whether the state of Whisper's decoder is pooled besides.
        num_classes: classes of the head; several may be one label.
        window_samples: length of a window.
        thresholds: keyword -> lowest posterior at which speechtune reports it.
        second_look: `doubt`, two posteriors between which the best keyword is in doubt, and `moves`, the samples by
            which the window is moved then; null: every window is looked at once.
        checkpoint_digest: of the speechtune checkpoint that it was made from.
    """

    model_type = "speechtune"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        layers: Sequence[int] = (1,),
        num_segments: int = 1,
        uses_decoder: bool = False,
        num_classes: int = 2,
        window_samples: int = _SAMPLE_RATE_HZ,
        thresholds: dict[str, float] | None = None,
        second_look: dict[str, list[float]] | None = None,
        checkpoint_digest: str = "",
        **others: Any,
    ) -> None:
        self.encoder = encoder or {}
        self.layers = list(layers)
        self.num_segments = num_segments
        self.uses_decoder = uses_decoder
        self.num_classes = num_classes
        self.window_samples = window_samples
        self.thresholds = thresholds or {}
        self.second_look = second_look
        self.checkpoint_digest = checkpoint_digest
        super().__init__(**others)


class SpeechtuneFeatureExtractor(SequenceFeatureExtractor):  # type: ignore[misc]
    """Puts each clip in a window, so that its energy is balanced about the middle; what is not there is zero."""

    model_input_names = ("input_values",)

    def __init__(
        self,
        window_samples: int = _SAMPLE_RATE_HZ,
        feature_size: int = 1,
        sampling_rate: int = _SAMPLE_RATE_HZ,
        padding_value: float = 0.0,
        **others: Any,
    ) -> None:
        super().__init__(feature_size=feature_size, sampling_rate=sampling_rate, padding_value=padding_value, **others)
        self.window_samples = window_samples

    def __call__(
        self,
        raw_speech: Any,
        sampling_rate: int | None = None,
        return_tensors: str | None = None,
        **_: Any,
    ) -> BatchFeature:
        """One clip float[N], or several, to `input_values` float32[B, window_samples].

        Raises:
            ValueError: another rate than 16 kHz, or a clip without a sample.
        """
        if sampling_rate not in (None, self.sampling_rate):
            raise ValueError(
                f"audio of {sampling_rate} Hz: this model hears {self.sampling_rate} Hz; resample it first"
            )
        is_one = isinstance(raw_speech, np.ndarray | Tensor) and raw_speech.ndim == 1
        is_one = is_one or (isinstance(raw_speech, list | tuple) and len(raw_speech) > 0 and np.isscalar(raw_speech[0]))
        clips = [np.asarray(clip, dtype=np.float32) for clip in ([raw_speech] if is_one else raw_speech)]
        if not clips or any(clip.ndim != 1 or not len(clip) for clip in clips):
            raise ValueError("give clips of one channel with at least one sample")
        windows = np.stack([self._window(clip) for clip in clips])
        return BatchFeature({"input_values": windows}, tensor_type=return_tensors)

    def _window(self, clip: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        start = _energy_centre(clip) - self.window_samples // 2
        window = np.zeros(self.window_samples, dtype=np.float32)
        first, last = max(start, 0), min(start + self.window_samples, len(clip))
        if first < last:
            window[first - start : last - start] = clip[first:last]
        return window


def _energy_centre(samples: np.ndarray[Any, np.dtype[np.float32]]) -> int:
    power = np.square(samples, dtype=np.float64)
    block = min(_FRAME_SAMPLES, len(samples))
    num_blocks = len(samples) // block
    level = power[: num_blocks * block].reshape(num_blocks, block).mean(axis=1)
    excess = np.maximum(level - np.median(level), 0.0)
    weights = excess if excess.sum() > 0.0 else level
    if weights.sum() <= 0.0:
        return len(samples) // 2
    return int(np.average(np.arange(num_blocks) * block + (block - 1) / 2, weights=weights))


class _LogMel(nn.Module):
    """Whisper's log-mel spectrogram of audio of any length, on that length."""

    basis: Tensor
    mel_filters: Tensor

    def __init__(self, num_mels: int) -> None:
        super().__init__()
        num_bins = _FRAME_SAMPLES // 2 + 1
        self.register_buffer("basis", torch.zeros(_FRAME_SAMPLES, 2 * num_bins))
        self.register_buffer("mel_filters", torch.zeros(num_bins, num_mels))

    def forward(self, waveforms: Tensor) -> Tensor:
        """float32[B, N] to float32[B, M, N // 160]."""
        half = _FRAME_SAMPLES // 2
        padded = functional.pad(waveforms, (half, half), mode="reflect")
        num_frames = (padded.shape[-1] - _FRAME_SAMPLES) // _HOP_SAMPLES
        num_blocks = (num_frames - 1) * _BLOCKS_PER_HOP + _BLOCKS_PER_FRAME
        blocks = padded[:, : num_blocks * _BLOCK_SAMPLES].reshape(-1, num_blocks, _BLOCK_SAMPLES)
        last = (num_frames - 1) * _BLOCKS_PER_HOP + 1
        parts = [blocks[:, start : start + last : _BLOCKS_PER_HOP] for start in range(_BLOCKS_PER_FRAME)]
        spectrum = torch.cat(parts, dim=2) @ self.basis
        num_bins = _FRAME_SAMPLES // 2 + 1
        power = spectrum[..., :num_bins].square() + spectrum[..., num_bins:].square()
        decades = (power @ self.mel_filters).clamp(min=1e-10).log10()
        floor = decades.amax(dim=(1, 2), keepdim=True) - 8.0
        return ((torch.maximum(decades, floor) + 4.0) / 4.0).transpose(1, 2)


class _FirstWord(nn.Module):
    """Whisper's decoder on its prompt alone: what it is about to say first."""

    causal_mask: Tensor

    def __init__(self, shape: dict[str, Any]) -> None:
        super().__init__()
        part, width = shape["decoder"], shape["d_model"]
        config = WhisperConfig(
            d_model=width,
            decoder_layers=part["layers"],
            decoder_attention_heads=part["attention_heads"],
            decoder_ffn_dim=part["ffn_dim"],
            activation_function=shape["activation_function"],
            attn_implementation="sdpa",
        )
        size = part["prompt_length"]
        self.prompt = nn.Parameter(torch.zeros(size, width), requires_grad=False)
        self.layers = nn.ModuleList(WhisperDecoderLayer(config, index) for index in range(part["layers"]))
        self.layer_norm = nn.LayerNorm(width)
        self.register_buffer("causal_mask", torch.zeros(1, 1, size, size))

    def forward(self, frames: Tensor) -> Tensor:
        """float32[B, T, D] to float32[B, D]."""
        hidden = self.prompt.expand(frames.shape[0], -1, -1)
        for layer in self.layers:
            hidden = layer(hidden, attention_mask=self.causal_mask, encoder_hidden_states=frames, use_cache=False)
        last: Tensor = self.layer_norm(hidden[:, -1])
        return last


class _WhisperFrames(nn.Module):
    """Whisper's encoder on the window's true length instead of 30 s of padding."""

    def __init__(self, shape: dict[str, Any]) -> None:
        super().__init__()
        own = ("family", "name", "decoder")
        self.features = _LogMel(shape["num_mel_bins"])
        self.model = WhisperEncoder(WhisperConfig(**{key: value for key, value in shape.items() if key not in own}))
        self.first_word = _FirstWord(shape) if shape.get("decoder") else None

    def forward(self, waveforms: Tensor, num_layers: int) -> list[Tensor]:
        """float32[B, N] to the frames float32[B, T, D] of the first layers."""
        model: Any = self.model
        hidden = functional.gelu(model.conv1(self.features(waveforms)))
        hidden = functional.gelu(model.conv2(hidden)).transpose(1, 2)
        hidden = hidden + model.embed_positions.weight[: hidden.shape[1]]
        frames = []
        for layer in model.layers[:num_layers]:
            hidden = layer(hidden, None)
            frames.append(hidden)
        if num_layers == len(model.layers):
            frames[-1] = model.layer_norm(hidden)
        return frames


class _WaveformFrames(nn.Module):
    """wav2vec2, HuBERT or WavLM, layer by layer."""

    def __init__(self, shape: dict[str, Any]) -> None:
        super().__init__()
        self.shape = shape
        own = ("family", "name", "normalise")
        off = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "apply_spec_augment": False, "layerdrop": 0.0}
        settings = {key: value for key, value in shape.items() if key not in own}
        self.model = AutoModel.from_config(AutoConfig.for_model(shape["family"], **settings, **off))

    def forward(self, waveforms: Tensor, num_layers: int) -> list[Tensor]:
        """float32[B, N] to the frames float32[B, T, D] of the first layers."""
        if self.shape["normalise"]:
            waveforms = waveforms - waveforms.mean(dim=-1, keepdim=True)
            waveforms = waveforms / (waveforms.square().mean(dim=-1, keepdim=True) + 1e-7).sqrt()
        encoder, hidden = self.model.encoder, waveforms.unsqueeze(1)
        for conv in self.model.feature_extractor.conv_layers:
            hidden = conv(hidden)
        projected = self.model.feature_projection(hidden.transpose(1, 2))
        hidden = projected[0] if isinstance(projected, tuple) else projected
        hidden = hidden + encoder.pos_conv_embed(hidden)
        is_stable = self.shape["do_stable_layer_norm"]
        hidden = encoder.dropout(hidden if is_stable else encoder.layer_norm(hidden))
        position_bias, frames = None, []
        for layer in encoder.layers[:num_layers]:
            if self.shape["family"] == "wavlm":
                hidden, position_bias = layer(hidden, position_bias=position_bias)
            else:
                hidden = layer(hidden)
            frames.append(hidden)
        if num_layers == len(encoder.layers) and is_stable:
            frames[-1] = encoder.layer_norm(hidden)
        return frames


class _Head(nn.Module):
    """A linear classifier on each standardised block of the embedding; their answers are multiplied."""

    mean: Tensor
    scale: Tensor
    block_weights: Tensor
    temperature: Tensor

    def __init__(self, block_sizes: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.block_sizes = list(block_sizes)
        self.linears = nn.ModuleList(nn.Linear(size, num_classes) for size in block_sizes)
        self.register_buffer("mean", torch.zeros(sum(block_sizes)))
        self.register_buffer("scale", torch.ones(sum(block_sizes)))
        self.register_buffer("block_weights", torch.ones(len(self.block_sizes)))
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, embeddings: Tensor) -> Tensor:
        """float32[B, E] to logits float32[B, C], divided by the temperature."""
        parts = torch.split((embeddings - self.mean) / self.scale, self.block_sizes, dim=1)
        answers = [torch.log_softmax(linear(part), 1) for linear, part in zip(self.linears, parts, strict=True)]
        return torch.einsum("kbc,k->bc", torch.stack(answers), self.block_weights) / self.temperature


class SpeechtuneForAudioClassification(PreTrainedModel):  # type: ignore[misc]
    """Windows to the logarithms of calibrated posteriors."""

    config_class = SpeechtuneConfig
    main_input_name = "input_values"
    label_of_class: Tensor

    def __init__(self, config: SpeechtuneConfig) -> None:
        super().__init__(config)
        shape = config.encoder
        is_whisper = shape["family"] == "whisper"
        self.encoder: Any = _WhisperFrames(shape) if is_whisper else _WaveformFrames(shape)
        width, depth = (shape[key] for key in (("d_model", "encoder_layers") if is_whisper else
                                               ("hidden_size", "num_hidden_layers")))  # fmt: skip
        self.num_layers = depth if config.uses_decoder else max(config.layers)
        num_statistics = 2 + (config.num_segments if config.num_segments > 1 else 0)
        sizes = [width * num_statistics] * len(config.layers) + [width] * config.uses_decoder
        self.head = _Head(sizes, config.num_classes)
        self.register_buffer("label_of_class", torch.zeros(config.num_classes, config.num_labels))
        self.post_init()

    def forward(self, input_values: Tensor, labels: Tensor | None = None, **_: Any) -> SequenceClassifierOutput:
        """float32[B, window_samples] to logits float32[B, K], whose softmax is the posteriors of the K labels.

        Args:
            input_values: windows at 16 kHz, range -1 to 1.
            labels: int64[B]; with them there is a loss, and nobody looks twice.

        Raises:
            ValueError: windows of another length.
        """
        if input_values.ndim != 2 or input_values.shape[1] != self.config.window_samples:
            raise ValueError(
                f"input_values of shape {tuple(input_values.shape)}: this model takes windows of "
                f"{self.config.window_samples} samples; its feature extractor makes them"
            )
        posteriors = self._posteriors(input_values)
        if self.config.second_look is not None and labels is None and not self.training:
            posteriors = self._look_again(input_values, posteriors, **self.config.second_look)
        logits = posteriors.clamp(min=_SMALLEST).log()
        loss = None if labels is None else functional.nll_loss(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def _posteriors(self, windows: Tensor) -> Tensor:
        frames = self.encoder(windows, self.num_layers)
        blocks = [self._pooled(frames[layer - 1]) for layer in self.config.layers]
        if self.config.uses_decoder:
            blocks.append(self.encoder.first_word(frames[-1]))
        posteriors: Tensor = torch.softmax(self.head(torch.cat(blocks, dim=1)), dim=1) @ self.label_of_class
        return posteriors

    def _pooled(self, frames: Tensor) -> Tensor:
        variance, mean = torch.var_mean(frames, dim=1, correction=0)
        statistics = [mean, (variance + 1e-8).sqrt()]
        if self.config.num_segments > 1:
            size = frames.shape[1]
            bounds = [index * size // self.config.num_segments for index in range(self.config.num_segments + 1)]
            statistics += [frames[:, start:end].mean(dim=1) for start, end in pairwise(bounds)]
        return torch.cat(statistics, dim=1)

    def _look_again(self, windows: Tensor, posteriors: Tensor, doubt: list[float], moves: list[int]) -> Tensor:
        """The geometric mean of three looks where the best keyword is in doubt; the last two labels are no keywords."""
        best = posteriors[:, :-2].amax(dim=1)
        rows = torch.nonzero((best > doubt[0]) & (best < doubt[1])).flatten()
        if not len(rows):
            return posteriors
        looks = [posteriors[rows], *(self._posteriors(_moved(windows[rows], move)) for move in moves)]
        mean = torch.stack([look.clamp(min=_SMALLEST).log() for look in looks]).mean(dim=0).exp()
        return posteriors.index_copy(0, rows, mean / mean.sum(dim=1, keepdim=True))


def _moved(windows: Tensor, num_samples: int) -> Tensor:
    """Windows moved to the right, or to the left where `num_samples` is negative; zeros come in."""
    kept = windows[:, :-num_samples] if num_samples > 0 else windows[:, -num_samples:]
    return functional.pad(kept, (max(num_samples, 0), max(-num_samples, 0)))
