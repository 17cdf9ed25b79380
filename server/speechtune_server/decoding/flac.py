"""A FLAC file that comes piece by piece. We find its frames, FFmpeg decodes them one by one; nothing runs by itself.

FFmpeg's own search for frames waits for ten of them, which can be seconds of audio. Here a frame is decoded as soon as
it is complete, which shows when it can be.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.errors import InvalidRequestError, UnreadableAudioError
from speechtune_server.decoding.flac_frames import (
    MAX_HEADER_BYTES,
    STREAMINFO_BYTES,
    FrameHeader,
    StreamInfo,
    frame_header,
)
from speechtune_server.decoding.forms import FIELD, NUM_HEAD_BYTES, FileEncoding, another_form

_MARK = b"fLaC"
_MIN_FRAME_BYTES = 10
_MAX_METADATA_BYTES = 64 << 20
_LOOKS_AT_ONCE = 256
"""What might be a frame's beginning can lie at every second byte."""


class FlacStream:
    """Reads one FLAC file; its samples come as LINEAR16 where 16 bits hold them, else as FLOAT32.

    Attributes:
        form: of the samples; None until the header has told it.
        notes: none.
    """

    def __init__(self) -> None:
        self.form: PcmFormat | None = None
        self.notes: tuple[str, ...] = ()
        self._waiting = bytearray()
        self._num_to_skip = 0
        self._num_skipped = 0
        self._is_last_block = False
        self._is_in_frames = False
        self._info: StreamInfo | None = None
        self._codec: AudioCodecContext | None = None
        self._expected: int | None = None
        self._searched = 0
        self._try_at = 0
        self._header: FrameHeader | None = None
        self._is_decoded = False
        self._num_decoded = 0

    def receive(self, content: bytes) -> Iterator[bytes]:
        """As `FileStream.receive`."""
        self._waiting += content
        if self._is_in_frames or self._pass_metadata():
            yield from self._whole_frames()

    def end(self) -> Iterator[bytes]:
        """As `FileStream.end`."""
        self._try_at = 0
        if self._is_in_frames:
            yield from self._whole_frames(is_end=True)
        # What follows the last frame is left unread.
        is_whole = self._is_in_frames and (self._is_decoded if self._header is not None else not self._waiting)
        if self._info is None or not is_whole or self._num_decoded < self._info.num_samples:
            raise UnreadableAudioError(f"the FLAC file is cut off after {self._place}; send it to its end")

    def _pass_metadata(self) -> bool:
        """Pass the blocks before the first frame; whether all of them are passed."""
        if self._info is None and not self._take_stream_info():
            return False
        while True:
            skipped = min(self._num_to_skip, len(self._waiting))
            del self._waiting[:skipped]
            self._num_to_skip -= skipped
            self._num_skipped += skipped
            if self._num_skipped > _MAX_METADATA_BYTES:
                raise UnreadableAudioError("no sample within 64 MiB of a FLAC file; send it without its pictures")
            if self._num_to_skip:
                return False
            if self._is_last_block:
                self._is_in_frames = True
                return True
            if len(self._waiting) < 4:
                return False
            self._begin_block(self._waiting[0], int.from_bytes(self._waiting[1:4], "big"))
            del self._waiting[:4]

    def _begin_block(self, kind: int, num_bytes: int) -> None:
        self._is_last_block = bool(kind & 0x80)
        self._num_to_skip = num_bytes

    def _take_stream_info(self) -> bool:
        """Read the first block, which says what all the others are about; whether it is here."""
        head = bytes(self._waiting[: 8 + STREAMINFO_BYTES])
        if not _MARK.startswith(head[:4]):
            if len(head) < NUM_HEAD_BYTES:
                return False
            raise another_form(FileEncoding.FLAC, head)
        if len(head) < 8 + STREAMINFO_BYTES:
            return False
        if head[4] & 0x7F or int.from_bytes(head[5:8], "big") != STREAMINFO_BYTES:
            raise InvalidRequestError(FIELD, "the FLAC file does not begin with its STREAMINFO; convert it again")
        self._info = info = StreamInfo.of(head[8:])
        self._codec = AudioCodecContext.create("flac", "r")
        self._codec.extradata = head[8:]
        self._codec.thread_count = 1
        self._codec.options = {"err_detect": "crccheck+explode"}
        encoding = PcmEncoding.LINEAR16 if info.bits <= 16 else PcmEncoding.FLOAT32
        self.form = PcmFormat(encoding, info.rate_hz, info.channels)
        self._begin_block(head[4], 0)
        del self._waiting[: len(head)]
        return True

    def _whole_frames(self, is_end: bool = False) -> Iterator[bytes]:
        """The samples of the frames that are complete."""
        assert self._info is not None
        while (header := self._header or self._next_header(self._info, is_end)) is not None:
            end = yield from self._find_end(header, self._info, is_end)
            # Whether a frame is complete is known where the next one begins, or when it is tried. That is done seldom,
            # so that single bytes cost no more than many.
            if not self._is_decoded and (end is not None or len(self._waiting) >= self._try_at):
                samples = self._decode(bytes(self._waiting[:end]), header)
                if samples is not None:
                    self._is_decoded = True
                    self._num_decoded += header.num_samples
                    yield samples
                elif end is not None:
                    raise self._damaged("its check sum does not fit")
                self._try_at = len(self._waiting) * 17 // 16 + 1
            if end is None:
                return
            del self._waiting[:end]
            self._expected, self._header = header.next_number, None

    def _next_header(self, info: StreamInfo, is_end: bool) -> FrameHeader | None:
        """The header of the frame that begins what waits; None: it is not here yet."""
        if len(self._waiting) < (_MIN_FRAME_BYTES if is_end else MAX_HEADER_BYTES):
            return None
        self._header = frame_header(self._waiting[:MAX_HEADER_BYTES], info)
        if self._header is None or (self._expected is not None and self._header.number != self._expected):
            raise self._damaged("another frame is due there")
        self._is_decoded, self._searched, self._try_at = False, 0, 0
        return self._header

    def _find_end(self, header: FrameHeader, info: StreamInfo, is_end: bool) -> Generator[bytes, None, int | None]:
        """Where the next frame begins; None: not within what is here. Empty pieces come while it is looked for."""
        sync = bytes(self._waiting[:2])
        place = max(self._searched, _MIN_FRAME_BYTES)
        last = header.max_bytes(info) + len(sync)
        num_looked_at = 0
        while (place := self._waiting.find(sync, place, last)) >= 0:
            num_looked_at += 1
            if not num_looked_at % _LOOKS_AT_ONCE:
                yield b""
            if place + MAX_HEADER_BYTES > len(self._waiting) and not is_end:
                break
            following = frame_header(self._waiting[place : place + MAX_HEADER_BYTES], info)
            if following is not None and following.number == header.next_number:
                return place
            place += 1
        if len(self._waiting) > header.max_bytes(info) + MAX_HEADER_BYTES:
            raise self._damaged("the frame after it does not come")
        self._searched = place if place >= 0 else max(len(self._waiting) - 1, 0)
        return None

    def _decode(self, frame: bytes, header: FrameHeader) -> bytes | None:
        """The samples of the frame that `frame` begins with, as bytes; None: it is not whole, or damaged."""
        assert self._codec is not None
        assert self.form is not None
        try:
            decoded = self._codec.decode(av.Packet(frame))
        except av.FFmpegError:
            return None
        if len(decoded) != 1 or decoded[0].samples != header.num_samples:
            return None
        values = decoded[0].to_ndarray()
        if decoded[0].format.is_planar:
            values = values.T
        if self.form.encoding is PcmEncoding.LINEAR16:
            return values.astype("<i2", copy=False).tobytes()
        return (values * np.float32(2.0**-31)).astype("<f4", copy=False).tobytes()

    def _damaged(self, why: str) -> UnreadableAudioError:
        return UnreadableAudioError(f"the FLAC file is damaged after {self._place}: {why}; send it again")

    @property
    def _place(self) -> str:
        return f"{self._num_decoded / self._info.rate_hz:.3f} s" if self._info is not None else "0 s"
