"""wav2vec2, HuBERT and WavLM: one adapter, for they are one architecture with small differences.

Windows are fixed: no row of a batch is ever padded, so the group norm of the base models, which looks at a whole row,
gives the same frames alone as in a batch. What the originals drop or mask at random in training (time and feature
masks, whole layers) is switched off; plain dropout stays, and works in training mode only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from torch import Tensor, nn

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import CheckpointIncompatibleError, UnsupportedAudioError
from speechtune.models.encoders.bounds import (
    Activation,
    InnerWidth,
    KernelSize,
    NumFrames,
    NumHeads,
    NumLayers,
    Share,
    Small,
    Width,
)
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.models.encoders.families import FAMILIES, Family, family_named
from speechtune.models.encoders.features import NormalisedWaveform
from speechtune.models.encoders.pretrained import known_values, read_model
from speechtune.models.encoders.pretrained_files import PREPROCESSOR_FILE, family_of, read_json


def _of_this_architecture(name: str) -> str:
    known = [family.name for family in FAMILIES.values() if family.adapter_module == "wav2vec2"]
    if name not in known:
        raise ValueError(f"is none of {', '.join(known)}")
    return name


class WaveformShape(BaseModel):
    """The dimensions that rebuild the encoder; the names are those of `transformers`' configurations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Annotated[str, AfterValidator(_of_this_architecture)]
    name: str
    normalise: bool
    """Whether windows are brought to zero mean and unit variance (`do_normalize` of the preprocessor)."""
    hidden_size: Width
    num_hidden_layers: NumLayers
    num_attention_heads: NumHeads
    intermediate_size: InnerWidth
    hidden_act: Activation
    conv_dim: Annotated[tuple[Width, ...], Field(max_length=64)]
    conv_stride: Annotated[tuple[KernelSize, ...], Field(max_length=64)]
    conv_kernel: Annotated[tuple[KernelSize, ...], Field(max_length=64)]
    conv_bias: bool
    feat_extract_norm: Literal["group", "layer"]
    feat_extract_activation: Activation
    num_conv_pos_embeddings: KernelSize
    num_conv_pos_embedding_groups: Width
    do_stable_layer_norm: bool
    layer_norm_eps: Small
    hidden_dropout: Share
    activation_dropout: Share
    attention_dropout: Share
    feat_proj_dropout: Share
    feat_proj_layer_norm: bool = True
    """HuBERT only."""
    conv_pos_batch_norm: bool = False
    """HuBERT only."""
    num_buckets: KernelSize = 320
    """WavLM only: relative positions told apart, both directions together."""
    max_bucket_distance: NumFrames = 800
    """WavLM only, in frames."""


class WaveformSpeechEncoder(SpeechEncoder):
    """A `Wav2Vec2Model`, `HubertModel` or `WavLMModel` of `transformers`, run layer by layer."""

    def __init__(self, shape: WaveformShape, model: nn.Module | None = None) -> None:
        """Build from `shape` with random weights, or around a `model` that has that shape."""
        super().__init__()
        self.shape = shape
        self.family = shape.family
        self.name = shape.name
        self.num_layers = shape.num_hidden_layers
        self.hidden_size = shape.hidden_size
        self.features = NormalisedWaveform() if shape.normalise else nn.Identity()
        if model is None:
            _, model_class = family_named(shape.family).transformers_classes()
            model = model_class(waveform_config(shape))
        self.model = model

    def extract(self, waveforms: Tensor) -> Tensor:
        """See `SpeechEncoder.extract`."""
        features: Tensor = self.features(waveforms)
        return features

    def encode(self, features: Tensor, num_layers: int | None = None) -> tuple[Tensor, ...]:
        """Frames of the first layers; see `SpeechEncoder.encode`. T = (N - 80) / 320 for the published models."""
        wanted = self.num_layers if num_layers is None else num_layers
        model: Any = self.model
        hidden = self._project(features)
        hidden = hidden + model.encoder.pos_conv_embed(hidden)
        if not self.shape.do_stable_layer_norm:
            hidden = model.encoder.layer_norm(hidden)
        hidden = model.encoder.dropout(hidden)
        position_bias, shares_positions = None, family_named(self.family).shares_positions
        frames = []
        for layer in model.encoder.layers[:wanted]:
            if shares_positions:
                # The first layer makes the bias of relative positions, the others gate it.
                hidden, position_bias = layer(hidden, position_bias=position_bias)
            else:
                hidden = layer(hidden)
            frames.append(hidden)
        if wanted == self.num_layers and self.shape.do_stable_layer_norm:
            frames[-1] = model.encoder.layer_norm(hidden)
        return tuple(frames)

    def _project(self, waveforms: Tensor) -> Tensor:
        model: Any = self.model
        hidden = waveforms.unsqueeze(1)
        for conv in model.feature_extractor.conv_layers:
            hidden = conv(hidden)
        projected = model.feature_projection(hidden.transpose(1, 2))
        # wav2vec2 and WavLM also hand back the frames before the projection, for their own pretraining.
        result: Tensor = projected[0] if isinstance(projected, tuple) else projected
        return result

    def num_frames(self, num_samples: int) -> int:
        """T for windows of `num_samples`; see `SpeechEncoder.num_frames`."""
        num_frames = num_samples
        for kernel, stride in zip(self.shape.conv_kernel, self.shape.conv_stride, strict=True):
            num_frames = (num_frames - kernel) // stride + 1
            if num_frames < 1:
                raise UnsupportedAudioError(
                    f"encoder {self.name!r}: {num_samples} samples are shorter than one frame; "
                    f"give at least {self._receptive_field()}"
                )
        return num_frames

    def _receptive_field(self) -> int:
        field = 1
        for kernel, stride in zip(reversed(self.shape.conv_kernel), reversed(self.shape.conv_stride), strict=True):
            field = (field - 1) * stride + kernel
        return field

    def train(self, mode: bool = True) -> WaveformSpeechEncoder:
        """As for any module, but batch norm keeps the statistics of its pretraining."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.eval()
        return self

    def config_dict(self) -> dict[str, Any]:
        """See `SpeechEncoder.config_dict`."""
        return self.shape.model_dump(mode="json")


def waveform_config(shape: WaveformShape) -> Any:
    """The configuration of `transformers` for `shape`, with everything random but dropout switched off."""
    config_class, _ = family_named(shape.family).transformers_classes()
    # Without masks the model has no mask embedding either, which nothing here would use.
    off = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "apply_spec_augment": False, "layerdrop": 0.0}
    return config_class(**shape.model_dump(exclude={"family", "name", "normalise"}), **off)


def build(config: Mapping[str, Any]) -> WaveformSpeechEncoder:
    """See `families.Adapter`."""
    return WaveformSpeechEncoder(WaveformShape.model_validate(config))


def read(folder: Path, settings: dict[str, Any], name: str) -> WaveformSpeechEncoder:
    """See `families.Adapter`."""
    family = family_of(settings, name)
    shape = _waveform_shape(settings, folder, family, name)
    _, model_class = family.transformers_classes()
    return WaveformSpeechEncoder(shape, read_model(model_class, folder, name, waveform_config(shape)))


def _waveform_shape(settings: dict[str, Any], folder: Path, family: Family, name: str) -> WaveformShape:
    config_class, _ = family.transformers_classes()
    values = known_values(WaveformShape, config_class, settings, name)
    path = folder / PREPROCESSOR_FILE
    preprocessor = read_json(path, name) if path.is_file() else {}
    rate_hz = preprocessor.get("sampling_rate", SAMPLE_RATE_HZ)
    if rate_hz != SAMPLE_RATE_HZ:
        raise CheckpointIncompatibleError(
            f"encoder {name!r}: {path} says {rate_hz} Hz; encoders of {SAMPLE_RATE_HZ} Hz are used here"
        )
    # Without the file, what `transformers` takes for granted.
    normalise = preprocessor.get("do_normalize", True)
    return WaveformShape(family=family.name, name=name, normalise=normalise, **values)
