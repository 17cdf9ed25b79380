"""A WAV file that comes piece by piece: its header, then its samples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.audio.wav_header import NUM_BYTES_THAT_TELL, WavHeader, WavHeaderReader, ends_samples, is_wav
from speechtune.errors import InvalidRequestError, UnreadableAudioError
from speechtune_server.decoding.forms import (
    FIELD,
    NUM_HEAD_BYTES,
    ClipOnlyError,
    FileEncoding,
    another_form,
    check_form,
)

_PIECE_BYTES = 64 * 1024
_ENCODINGS = {
    (1, 16): PcmEncoding.LINEAR16,
    (3, 32): PcmEncoding.FLOAT32,
    (6, 8): PcmEncoding.ALAW,
    (7, 8): PcmEncoding.MULAW,
}
"""Handed on as they come, by format tag and bits; of a file in the other byte order once they are turned round."""
_CODED = frozenset({0x02, 0x11, 0x31, 0x38, 0x40})
"""ADPCM of several kinds and GSM 06.10, which come in blocks."""
_WIDTHS = {(1, 8): 1, (1, 24): 3, (1, 32): 4, (3, 64): 8}
"""Turned into FLOAT32: bytes of a value."""


class WavStream:
    """Reads one WAV file, RF64 and RIFX too; what follows its samples is left out.

    All samples that come are read, whatever the header claims, and a value that is not whole at the end is left out.

    Attributes:
        form: of the samples; None until the header is complete.
        notes: once the file has ended: what is not true of it, one sentence each.
    """

    def __init__(self) -> None:
        self.form: PcmFormat | None = None
        self.notes: tuple[str, ...] = ()
        self._head = b""
        self._reader = WavHeaderReader()
        self._header: WavHeader | None = None
        self._width = 0
        self._rest = b""
        self._after = b""
        self._num_taken = 0
        self._is_past_claim = False
        self._is_past_samples = False

    def receive(self, content: bytes) -> Iterator[bytes]:
        """As `FileStream.receive`."""
        if self._header is None:
            content = self._read_header(content)
        if self._header is not None and not self._is_past_samples:
            yield from self._values(self._samples_in(content, self._header))

    def end(self) -> Iterator[bytes]:
        """As `FileStream.end`."""
        if self._header is None:
            raise UnreadableAudioError("the WAV file is cut off inside its header; send it to its end")
        if not self._is_past_samples and not ends_samples(self._after):
            self._num_taken += len(self._after)
            yield from self._values(self._after)
        num_there = self._num_taken - self._num_taken % self._header.frame_bytes
        if not num_there:
            raise UnreadableAudioError("the WAV file holds no samples; record it again")
        note = self._header.note(num_there)
        self.notes = () if note is None else (note,)

    def _read_header(self, content: bytes) -> bytes:
        """Look for the samples; gives those that came already."""
        self._head += content[: NUM_HEAD_BYTES - len(self._head)]
        if not is_wav(self._head):
            if len(self._head) < NUM_HEAD_BYTES:
                return b""
            raise another_form(FileEncoding.WAV, self._head)
        try:
            content = self._reader.receive(content)
        except UnreadableAudioError as error:
            raise InvalidRequestError(FIELD, f"{error}; set audio.encoding to what it is, or convert it") from error
        if self._reader.header is not None:
            self.form = self._form_of(self._reader.header)
            self._header = self._reader.header
        return content

    def _form_of(self, header: WavHeader) -> PcmFormat:
        kind = header.tag, header.bits
        encoding = PcmEncoding.FLOAT32 if kind in _WIDTHS else _ENCODINGS.get(kind)
        if header.tag in _CODED:
            raise ClipOnlyError(
                FIELD,
                f"a WAV file of format {header.tag} is not taken in a stream; send it whole, or convert it to PCM",
            )
        if encoding is None:
            taken = "PCM of 8, 16, 24 or 32 bits, float of 32 or 64, A-law and µ-law"
            raise InvalidRequestError(
                FIELD, f"a WAV file with {header.bits} bits of format {header.tag} is not taken; {taken} are"
            )
        check_form("a WAV file", header.rate_hz, header.channels)
        self._width = _WIDTHS.get(kind, 0)
        return PcmFormat(encoding, header.rate_hz, header.channels)

    def _samples_in(self, content: bytes, header: WavHeader) -> bytes:
        """The part of `content` that is samples. Where the header claims an end, what comes behind it tells."""
        if header.claimed is None or self._is_past_claim:
            self._num_taken += len(content)
            return content
        claimed = content[: header.claimed - self._num_taken]
        self._num_taken += len(claimed)
        self._after += content[len(claimed) :]
        if len(self._after) < NUM_BYTES_THAT_TELL:
            return claimed
        self._is_past_claim = True
        self._is_past_samples = ends_samples(self._after)
        more = b"" if self._is_past_samples else self._after
        self._after = b""
        self._num_taken += len(more)
        return claimed + more

    def _values(self, content: bytes) -> Iterator[bytes]:
        """The frames that are complete with `content`, in small pieces."""
        assert self._header is not None
        content = self._rest + content
        whole = len(content) - len(content) % self._header.frame_bytes
        self._rest = content[whole:]
        step = max(_PIECE_BYTES // self._header.frame_bytes, 1) * self._header.frame_bytes
        for start in range(0, whole, step):
            yield self._turned(content[start : min(start + step, whole)])

    def _turned(self, content: bytes) -> bytes:
        """Whole values as those of `form`."""
        assert self._header is not None
        num_bytes = self._header.bits // 8
        if self._header.byte_order == ">" and num_bytes > 1:
            content = np.frombuffer(content, np.uint8).reshape(-1, num_bytes)[:, ::-1].tobytes()
        width = self._width
        if not width:
            return content
        if width == 8:
            with np.errstate(over="ignore"):  # infinite then, and refused as such
                return np.frombuffer(content, "<f8").astype("<f4").tobytes()
        if width == 1:
            return ((np.frombuffer(content, np.uint8) - np.float32(128)) * np.float32(2.0**-7)).tobytes()
        high = np.zeros((len(content) // width, 4), np.uint8)
        high[:, 4 - width :] = np.frombuffer(content, np.uint8).reshape(-1, width)
        return (high.view("<i4").ravel() * np.float32(2.0**-31)).astype("<f4").tobytes()
