"""An Ogg Opus file that comes piece by piece (RFC 7845): its pages are read here, libopus decodes packet by packet."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.audio.codeccontext import AudioCodecContext

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.errors import InvalidRequestError, UnreadableAudioError
from speechtune_server.file_stream import FIELD, check_form
from speechtune_server.ogg_pages import OggPages, Page

RATE_HZ = 48_000
"""Opus is always decoded at this rate."""

_HEAD, _TAGS = b"OpusHead", b"OpusTags"
_MIN_HEAD_BYTES = 19
_MAX_PACKET_SAMPLES = RATE_HZ * 120 // 1000
_FRAMES_PER_PACKET = {0: 1, 1: 2, 2: 2}
_FILE_ORDER = {
    3: (0, 2, 1), 5: (0, 2, 1, 3, 4), 6: (0, 2, 1, 4, 5, 3), 7: (0, 2, 1, 5, 6, 4, 3), 8: (0, 2, 1, 6, 7, 4, 5, 3),
}  # fmt: skip
"""FFmpeg puts more than two channels into an order of its own: where those of the file are in it."""


class OpusStream:
    """Reads one Ogg Opus file; its samples come as LINEAR16 at 48 kHz, a page at a time.

    Attributes:
        form: of the samples; None until the header has told it.
        notes: none.
    """

    def __init__(self) -> None:
        self.form: PcmFormat | None = None
        self.notes: tuple[str, ...] = ()
        self._pages = OggPages()
        self._codec: AudioCodecContext | None = None
        self._has_tags = False
        self._num_to_skip = 0
        self._granule: int | None = None

    def receive(self, content: bytes) -> Iterator[bytes]:
        """As `FileStream.receive`."""
        for page in self._pages.receive(content):
            yield from self._samples(page)
            yield b""

    def end(self) -> Iterator[bytes]:
        """As `FileStream.end`. A recorder that was switched off marks no last page: any whole one will do."""
        if not self._pages.is_whole or not self._has_tags:
            raise UnreadableAudioError("the Ogg file is cut off inside a page; send it to its end")
        yield from ()

    def _samples(self, page: Page) -> Iterator[bytes]:
        packets = list(page.packets)
        while packets and not self._has_tags:
            self._read_header(packets.pop(0))
        lengths = [num_samples_of(packet) for packet in packets]
        num_left = self._num_kept(page, sum(lengths)) if packets else 0
        for packet, length in zip(packets, lengths, strict=True):
            first, end = min(self._num_to_skip, length), min(length, num_left)
            self._num_to_skip -= first
            num_left -= end
            content = self._decode(packet, length)
            width = len(content) // length
            yield content[first * width : end * width]

    def _num_kept(self, page: Page, num_samples: int) -> int:
        """How many of a page's samples belong to the recording: the last packet is filled up beyond its end."""
        granule = page.granule or 0
        # What begins in the middle of a broadcast does not begin at 0.
        before = self._granule if self._granule is not None else 0 if page.is_last else max(granule - num_samples, 0)
        self._granule = granule
        return min(max(granule - before, 0), num_samples) if page.is_last else num_samples

    def _read_header(self, packet: bytes) -> None:
        if self._codec is None:
            self._read_head(packet)
        elif packet.startswith(_TAGS):
            self._has_tags = True
        else:
            raise UnreadableAudioError("the Ogg file has no OpusTags after its OpusHead; convert it again")

    def _read_head(self, head: bytes) -> None:
        if not head.startswith(_HEAD):
            raise InvalidRequestError(FIELD, "the Ogg file does not hold Opus; convert it, or send another encoding")
        if len(head) < _MIN_HEAD_BYTES or head[8] > 15 or head[18] not in (0, 1):
            raise InvalidRequestError(FIELD, "the Ogg file's OpusHead is damaged, or of a kind that is not taken")
        channels = head[9]
        check_form("an Ogg Opus file", RATE_HZ, channels)
        self._codec = AudioCodecContext.create("libopus", "r")
        # We skip what comes before the recording ourselves, and the decoder nothing.
        self._codec.extradata = head[:10] + bytes(2) + head[12:]
        self._codec.thread_count = 1
        try:
            self._codec.open()
        except av.FFmpegError as error:
            raise InvalidRequestError(FIELD, "the Ogg file's OpusHead is damaged; convert it again") from error
        self._num_to_skip = int.from_bytes(head[10:12], "little")
        self.form = PcmFormat(PcmEncoding.LINEAR16, RATE_HZ, channels)

    def _decode(self, packet: bytes, length: int) -> bytes:
        assert self._codec is not None
        assert self.form is not None
        try:
            decoded = self._codec.decode(av.Packet(packet))
        except av.FFmpegError as error:
            raise UnreadableAudioError("the Ogg file holds a packet that is not Opus; send it again") from error
        if len(decoded) != 1 or decoded[0].samples != length or decoded[0].layout.nb_channels != self.form.channels:
            raise UnreadableAudioError("the Ogg file holds a packet of another length than it says; send it again")
        values = decoded[0].to_ndarray().astype("<i2", copy=False)
        if (order := _FILE_ORDER.get(self.form.channels)) is not None:
            values = values.reshape(-1, len(order))[:, order]
        return values.tobytes()


def num_samples_of(packet: bytes) -> int:
    """Samples per channel at 48 kHz in an Opus packet, from its first two bytes (RFC 6716, section 3.1).

    Raises:
        UnreadableAudioError: it is empty, or longer than 120 ms.
    """
    if packet:
        kind = packet[0] >> 3
        if kind < 12:
            frame = (480, 960, 1_920, 2_880)[kind % 4]
        elif kind < 16:
            frame = (480, 960)[kind % 2]
        else:
            frame = 120 << kind % 4
        num_frames = _FRAMES_PER_PACKET.get(packet[0] & 3)
        if num_frames is None and len(packet) > 1:
            num_frames = packet[1] & 0x3F
        if num_frames and frame * num_frames <= _MAX_PACKET_SAMPLES:
            return frame * num_frames
    raise UnreadableAudioError("the Ogg file holds a packet that is not Opus; send it again")
