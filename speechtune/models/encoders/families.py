"""The families of encoders that there is code for: one row each.

A new family of a known architecture is a row; one of another architecture is a row and the module that adapts it. Needs
no torch until an encoder is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from speechtune.errors import UnknownEncoderError

if TYPE_CHECKING:
    from speechtune.models.encoders.encoder import SpeechEncoder


class Adapter(Protocol):
    """What the module of an architecture offers."""

    def build(self, config: Mapping[str, Any]) -> SpeechEncoder:
        """The encoder that `SpeechEncoder.config_dict` described, with random weights.

        Raises:
            ValidationError: a key or a value does not fit (pydantic's).
        """

    def read(self, folder: Path, settings: dict[str, Any], name: str) -> SpeechEncoder:
        """The encoder in a folder in the Hugging Face form, whose `config.json` holds `settings`.

        Raises:
            CheckpointCorruptError, CheckpointIncompatibleError: as for `load_pretrained`.
            ValidationError: the settings do not fit (pydantic's).
        """


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
        name: as `model_type` in a `config.json` has it.
        adapter_module: below `speechtune.models.encoders`; has the functions of `Adapter`.
        classes: of `transformers.models`: the modules and names of the configuration and of the model.
        shares_positions: the first layer makes a bias of relative positions, which the others take.
    """

    name: str
    adapter_module: str
    classes: tuple[str, str]
    shares_positions: bool = False

    @property
    def adapter(self) -> Adapter:
        """The module that adapts the family's architecture; needs torch."""
        return cast("Adapter", import_module(f"speechtune.models.encoders.{self.adapter_module}"))

    def transformers_classes(self) -> tuple[Any, Any]:
        """Configuration class and model class of `transformers`."""
        config, model = (_attribute(f"transformers.models.{place}") for place in self.classes)
        return config, model


def _attribute(place: str) -> Any:
    module, _, name = place.rpartition(".")
    return getattr(import_module(module), name)


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "whisper",
            "whisper",
            ("whisper.configuration_whisper.WhisperConfig", "whisper.modeling_whisper.WhisperEncoder"),
        ),
        Family(
            "wav2vec2",
            "wav2vec2",
            ("wav2vec2.configuration_wav2vec2.Wav2Vec2Config", "wav2vec2.modeling_wav2vec2.Wav2Vec2Model"),
        ),
        Family(
            "hubert", "wav2vec2", ("hubert.configuration_hubert.HubertConfig", "hubert.modeling_hubert.HubertModel")
        ),
        Family(
            "wavlm",
            "wav2vec2",
            ("wavlm.configuration_wavlm.WavLMConfig", "wavlm.modeling_wavlm.WavLMModel"),
            shares_positions=True,
        ),
    )
}
"""Name of a family -> its row."""


def family_named(name: object) -> Family:
    """The row of a family.

    Raises:
        UnknownEncoderError: there is no code for it; the message lists the families that there is code for.

    >>> family_named("hubert").adapter_module
    'wav2vec2'
    """
    if not isinstance(name, str) or name not in FAMILIES:
        raise UnknownEncoderError(f"encoder family {name!r}: there is code for {', '.join(FAMILIES)}")
    return FAMILIES[name]
