"""The reader of CTranslate2 files, on files written here by hand."""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechtune.errors import CheckpointCorruptError, CheckpointIncompatibleError
from speechtune.models.encoders.ctranslate2_reader import read_ctranslate2

_KINDS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def _string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def _file(variables: dict[str, np.ndarray], aliases: dict[str, str] | None = None, version: int = 6) -> bytes:
    content = struct.pack("<I", version) + _string("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        content += _string(name) + struct.pack("<B", array.ndim) + struct.pack(f"<{array.ndim}I", *array.shape)
        content += struct.pack("<BI", _KINDS[array.dtype.name], array.nbytes) + array.tobytes()
    content += struct.pack("<I", len(aliases or {}))
    for alias, target in (aliases or {}).items():
        content += _string(alias) + _string(target)
    return content


_VARIABLES = {
    "a/weight": np.arange(6, dtype=np.float16).reshape(2, 3),
    "a/bias": np.array([-1.5, 2.5], dtype=np.float32),
    "heads": np.array(6, dtype=np.int16),
    "flags": np.array([-1, 1], dtype=np.int8),
    "ids": np.array([[70000]], dtype=np.int32),
    "nothing": np.zeros((0, 4), dtype=np.float32),
}


def test_every_type_and_shape_comes_back_as_it_was_written() -> None:
    read = read_ctranslate2(_file(_VARIABLES), "model.bin")
    assert list(read) == list(_VARIABLES)
    for name, array in _VARIABLES.items():
        assert read[name].dtype == array.dtype
        assert read[name].shape == array.shape
        assert np.array_equal(read[name], array)


def test_an_alias_is_the_variable_it_stands_for() -> None:
    read = read_ctranslate2(_file(_VARIABLES, {"tied": "a/weight"}), "model.bin")
    assert np.array_equal(read["tied"], _VARIABLES["a/weight"])


def test_the_arrays_cannot_be_written_to() -> None:
    read = read_ctranslate2(bytearray(_file(_VARIABLES)), "model.bin")
    with pytest.raises(ValueError, match="read-only"):
        read["a/bias"][0] = 0.0


def test_a_file_cut_off_anywhere_is_refused_by_name() -> None:
    content = _file(_VARIABLES, {"tied": "a/weight"})
    end_of_variables = len(_file(_VARIABLES)) - 4
    for num_bytes in range(len(content)):
        if num_bytes == end_of_variables:
            continue  # a file without the list of aliases is whole: older converters wrote none
        with pytest.raises(CheckpointCorruptError, match=r"^model\.bin: "):
            read_ctranslate2(content[:num_bytes], "model.bin")


def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(CheckpointCorruptError, match="3 bytes too many"):
        read_ctranslate2(_file(_VARIABLES) + b"abc", "model.bin")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 a zip file", b"\x80\x02}q\x00.", b'{"model_type": "whisper"}', b"RIFF\x00\x00\x00\x00WAVE"],
)
def test_foreign_bytes_are_refused_by_name(content: bytes) -> None:
    with pytest.raises(CheckpointCorruptError, match=r"^model\.bin: "):
        read_ctranslate2(content, "model.bin")


def test_another_binary_version_is_named() -> None:
    with pytest.raises(CheckpointIncompatibleError, match="binary version 5; version 6 is read"):
        read_ctranslate2(_file(_VARIABLES, version=5), "model.bin")


def test_a_type_that_is_not_read_is_named() -> None:
    content = bytearray(_file({"x": np.zeros(1, dtype=np.float32)}))
    content[content.index(b"x\0") + 2 + 1 + 4] = 5  # bfloat16
    with pytest.raises(CheckpointIncompatibleError, match="x has value type 5"):
        read_ctranslate2(bytes(content), "model.bin")


def test_a_size_that_does_not_fit_the_shape_is_refused() -> None:
    content = bytearray(_file({"x": np.zeros(3, dtype=np.float32)}))
    content[content.index(b"x\0") + 2 + 1] = 2
    with pytest.raises(CheckpointCorruptError, match=r"x of shape \(2,\)"):
        read_ctranslate2(bytes(content), "model.bin")


def test_an_alias_of_nothing_is_refused() -> None:
    with pytest.raises(CheckpointCorruptError, match="'tied' stands for 'absent'"):
        read_ctranslate2(_file(_VARIABLES, {"tied": "absent"}), "model.bin")


@given(st.integers(0, len(_file(_VARIABLES)) - 1), st.integers(0, 255))
def test_a_damaged_byte_gives_arrays_or_our_error_and_nothing_else(place: int, value: int) -> None:
    content = bytearray(_file(_VARIABLES))
    content[place] = value
    with suppress(CheckpointCorruptError, CheckpointIncompatibleError):
        read_ctranslate2(content, "model.bin")
