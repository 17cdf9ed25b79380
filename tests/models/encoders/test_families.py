"""The table of encoder families."""

from __future__ import annotations

from dataclasses import replace

import pytest

from speechtune.errors import CheckpointIncompatibleError, UnknownEncoderError
from speechtune.models.encoders.families import FAMILIES, family_named
from speechtune.models.encoders.loading import build_encoder, load_encoder
from speechtune.models.encoders.pretrained_files import family_of
from tests.support.encoders import random_encoder, save_random_model
from tests.support.processes import run_python


@pytest.mark.parametrize("name", ["data2vec-audio", None, 3, ["whisper"]])
def test_an_unknown_family_is_refused_by_name_with_those_that_are_known(name):
    with pytest.raises(UnknownEncoderError) as caught:
        build_encoder({"family": name, "name": "somebody's"})
    assert repr(name) in str(caught.value)
    assert all(known in str(caught.value) for known in ("whisper", "wav2vec2", "hubert", "wavlm"))
    with pytest.raises(UnknownEncoderError, match="wavlm"):
        family_of({"model_type": name}, "somebody's")


def test_a_family_of_a_known_architecture_is_one_row(monkeypatch, tmp_path):
    config = random_encoder("hubert").config_dict()
    with pytest.raises(UnknownEncoderError, match="distilled"):
        build_encoder(config | {"family": "distilled"})
    monkeypatch.setitem(FAMILIES, "distilled", replace(FAMILIES["hubert"], name="distilled"))
    assert build_encoder(config | {"family": "distilled"}).family == "distilled"
    save_random_model("hubert", tmp_path / "encoder")
    settings = tmp_path / "encoder" / "config.json"
    settings.write_text(settings.read_text().replace('"model_type": "hubert"', '"model_type": "distilled"'))
    assert load_encoder(str(tmp_path / "encoder")).family == "distilled"


def test_an_adapter_takes_no_family_of_another_architecture():
    shape = random_encoder("hubert").config_dict() | {"family": "whisper"}
    with pytest.raises(CheckpointIncompatibleError):
        build_encoder(shape)
    adapter = family_named("hubert").adapter
    with pytest.raises(ValueError, match="wav2vec2, hubert, wavlm"):
        adapter.build(shape)


def test_the_table_is_read_without_torch():
    run_python("""
    import sys
    from speechtune.models.encoders.families import FAMILIES
    assert FAMILIES
    assert "torch" not in sys.modules and "transformers" not in sys.modules
    """)
