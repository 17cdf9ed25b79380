"""G.711, channels and rates of raw audio."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from speechtune.audio.pcm import PcmDecoder, PcmEncoding, PcmFormat
from speechtune.errors import UnsupportedAudioError

EVERY_BYTE = bytes(range(256))


@pytest.mark.parametrize(("encoding", "subtype"), [(PcmEncoding.MULAW, "ULAW"), (PcmEncoding.ALAW, "ALAW")])
def test_every_companded_byte_is_the_amplitude_that_libsndfile_reads(encoding, subtype):
    expected, _ = soundfile.read(
        io.BytesIO(EVERY_BYTE), format="RAW", subtype=subtype, samplerate=8_000, channels=1, dtype="float32"
    )
    assert np.array_equal(PcmDecoder(PcmFormat(encoding, 8_000)).decode(EVERY_BYTE), expected)


def test_one_channel_of_several_can_be_chosen_and_none_means_their_mean():
    frames = np.array([[0.5, -0.25], [0.125, 0.0]], dtype="<f4")
    content = frames.tobytes()
    for channel, expected in ((1, [0.5, 0.125]), (2, [-0.25, 0.0]), (None, [0.125, 0.0625])):
        decoder = PcmDecoder(PcmFormat(PcmEncoding.FLOAT32, 16_000, 2, channel))
        assert decoder.decode(content[:5]).tolist() + decoder.decode(content[5:]).tolist() == expected


@pytest.mark.parametrize("channel", [0, 3, -1])
def test_a_channel_that_is_not_there_is_refused(channel):
    with pytest.raises(UnsupportedAudioError, match="channels 1 to 2"):
        PcmFormat(PcmEncoding.LINEAR16, 16_000, 2, channel)


@pytest.mark.parametrize("rate_hz", [7_999, 96_001])
def test_a_rate_outside_8_to_96_khz_is_refused(rate_hz):
    with pytest.raises(UnsupportedAudioError, match="8000 to 96000 Hz"):
        PcmFormat(PcmEncoding.LINEAR16, rate_hz)
