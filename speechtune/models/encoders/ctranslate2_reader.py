"""Reads the tensors out of a CTranslate2 `model.bin` (binary version 6), without CTranslate2.

The form, little-endian throughout; a string is a u16 length that counts the closing NUL, then the bytes::

    u32 binary version · string spec name · u32 spec revision
    u32 number of variables, and per variable:
        string name · u8 rank · u32 per dimension · u8 type (0 f32, 1 i8, 2 i16, 3 i32, 4 f16) · u32 bytes · data
    u32 number of aliases, and per alias:
        string alias · string name of the variable it stands for
"""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import CheckpointCorruptError, CheckpointIncompatibleError

BINARY_VERSION = 6

_TYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
_LARGEST_KNOWN_VERSION = 20  # above it, the first four bytes are not a version but some other file's beginning
_LARGEST_RANK = 8


class _Cursor:
    """A place in the file that only moves forward and never past the end."""

    def __init__(self, content: memoryview, where: str) -> None:
        self._content = content
        self._where = where
        self.offset = 0

    def take(self, num_bytes: int, what: str) -> memoryview:
        end = self.offset + num_bytes
        if end > len(self._content):
            raise CheckpointCorruptError(
                f"{self._where}: ends at byte {len(self._content)} inside {what}, which needs bytes up to {end}; "
                "the file was cut off, fetch it again"
            )
        taken = self._content[self.offset : end]
        self.offset = end
        return taken

    def number(self, form: str, what: str) -> int:
        value: int = struct.unpack("<" + form, self.take(struct.calcsize(form), what))[0]
        return value

    def string(self, what: str) -> str:
        raw = bytes(self.take(self.number("H", what), what))
        if not raw.endswith(b"\0"):
            raise self.foreign(f"{what} is not a closed string")
        try:
            return raw[:-1].decode("utf-8")
        except UnicodeDecodeError:
            raise self.foreign(f"{what} is not text") from None

    def foreign(self, why: str) -> CheckpointCorruptError:
        return CheckpointCorruptError(
            f"{self._where}: not a CTranslate2 model, or a damaged one ({why}, at byte {self.offset})"
        )


def read_ctranslate2(content: bytes | bytearray, where: str) -> dict[str, NDArray[np.generic]]:
    """Every variable of a model by its name, aliases included; the arrays are read-only views of `content`.

    Args:
        content: the whole `model.bin`.
        where: names the file in messages.

    Raises:
        CheckpointCorruptError: cut off, or not such a file.
        CheckpointIncompatibleError: such a file of another version, or with a type that is not read here.
    """
    cursor = _Cursor(memoryview(content).toreadonly(), where)
    _read_header(cursor, where)
    variables: dict[str, NDArray[np.generic]] = {}
    for index in range(cursor.number("I", "the number of variables")):
        name = cursor.string(f"the name of variable {index}")
        variables[name] = _read_array(cursor, name, where)
    if cursor.offset < len(content):
        for index in range(cursor.number("I", "the number of aliases")):
            alias = cursor.string(f"alias {index}")
            target = cursor.string(f"the target of alias {alias!r}")
            if target not in variables:
                raise cursor.foreign(f"alias {alias!r} stands for {target!r}, which is not there")
            variables[alias] = variables[target]
    if cursor.offset != len(content):
        raise cursor.foreign(f"{len(content) - cursor.offset} bytes too many")
    return variables


def _read_header(cursor: _Cursor, where: str) -> None:
    version = cursor.number("I", "the binary version")
    if version != BINARY_VERSION:
        if 0 < version <= _LARGEST_KNOWN_VERSION:
            raise CheckpointIncompatibleError(
                f"{where}: CTranslate2 binary version {version}; version {BINARY_VERSION} is read here, "
                "convert the model anew"
            )
        raise cursor.foreign(f"it begins with {version:#x}")
    cursor.string("the name of the specification")
    cursor.number("I", "the revision of the specification")


def _read_array(cursor: _Cursor, name: str, where: str) -> NDArray[np.generic]:
    rank = cursor.number("B", f"the rank of {name}")
    if rank > _LARGEST_RANK:
        raise cursor.foreign(f"{name} has {rank} dimensions")
    shape = tuple(cursor.number("I", f"the shape of {name}") for _ in range(rank))
    kind = cursor.number("B", f"the type of {name}")
    num_bytes = cursor.number("I", f"the size of {name}")
    if kind not in _TYPES:
        raise CheckpointIncompatibleError(
            f"{where}: {name} has value type {kind}; 0 to 4 (float32, int8, int16, int32, float16) are read here"
        )
    dtype = np.dtype(_TYPES[kind])
    if math.prod(shape) * dtype.itemsize != num_bytes:
        raise cursor.foreign(f"{name} of shape {shape} and {dtype.itemsize} bytes a value has {num_bytes} bytes")
    return np.frombuffer(cursor.take(num_bytes, name), dtype=dtype).reshape(shape)
