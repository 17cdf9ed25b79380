"""What encoders eat, computed inside the model: training, evaluation, export and serving run these lines.

Plain tensor operations only, so that they export to ONNX.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import UnsupportedAudioError

FRAME_SAMPLES = 400
"""Length of one spectral frame: 25 ms."""
HOP_SAMPLES = 160
"""Step between spectral frames: 10 ms."""
MIN_SAMPLES = FRAME_SAMPLES
"""Shorter audio has no whole frame; the reflection at its ends needs half of one."""

_BLOCK_SAMPLES = math.gcd(FRAME_SAMPLES, HOP_SAMPLES)
_BLOCKS_PER_FRAME = FRAME_SAMPLES // _BLOCK_SAMPLES
_BLOCKS_PER_HOP = HOP_SAMPLES // _BLOCK_SAMPLES
_NUM_BINS = FRAME_SAMPLES // 2 + 1
_DYNAMIC_RANGE = 8.0  # log10 units below the loudest value of the window: 80 dB
_POWER_FLOOR = 1e-10


class LogMel(nn.Module):
    """Whisper's log-mel spectrogram (Radford et al. 2022) of audio of any length, on that length.

    Agrees with `transformers.WhisperFeatureExtractor` told not to pad. The transform is a product with the windowed
    Fourier basis, which costs less here than an FFT of 400 points and exports.
    """

    basis: Tensor
    mel_filters: Tensor

    def __init__(self, num_mels: int = 80) -> None:
        super().__init__()
        self.num_mels = num_mels
        # Never saved: both follow from constants.
        self.register_buffer("basis", _windowed_fourier_basis(), persistent=False)
        self.register_buffer("mel_filters", _mel_filters(num_mels), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """float32[B, N], N ≥ 400, to float32[B, num_mels, N // 160].

        Raises:
            UnsupportedAudioError: fewer than 400 samples.
        """
        if waveforms.shape[-1] < MIN_SAMPLES:
            raise UnsupportedAudioError(
                f"{waveforms.shape[-1]} samples are too short for a spectrum; give at least {MIN_SAMPLES} (25 ms)"
            )
        # Whisper leaves out the last frame of the centred transform.
        frames = _frames(functional.pad(waveforms, (FRAME_SAMPLES // 2, FRAME_SAMPLES // 2), mode="reflect"))
        # 80 dB of range do not fit the 8 bits of a bfloat16, so the products stay whole where others are halved.
        with torch.autocast(waveforms.device.type, enabled=False):
            spectrum = frames.float() @ self.basis
            power = spectrum[..., :_NUM_BINS].square() + spectrum[..., _NUM_BINS:].square()
            decades = (power @ self.mel_filters).clamp(min=_POWER_FLOOR).log10()
        floor = decades.amax(dim=(1, 2), keepdim=True) - _DYNAMIC_RANGE
        return ((torch.maximum(decades, floor) + 4.0) / 4.0).transpose(1, 2)


class NormalisedWaveform(nn.Module):
    """Each window to zero mean and unit variance, for the wav2vec2 families that were trained so."""

    def forward(self, waveforms: Tensor) -> Tensor:
        """float32[B, N] to float32[B, N]; silence stays silence."""
        centred = waveforms - waveforms.mean(dim=-1, keepdim=True)
        return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-7).sqrt()


def _frames(padded: Tensor) -> Tensor:
    """float32[B, N + 400] to float32[B, N // 160, 400]: a frame is five blocks of 80 samples, the next begins two on.

    Slices of blocks export as such; `unfold` would export as one slice per frame.
    """
    num_frames = (padded.shape[-1] - FRAME_SAMPLES) // HOP_SAMPLES
    num_blocks = (num_frames - 1) * _BLOCKS_PER_HOP + _BLOCKS_PER_FRAME
    blocks = padded[:, : num_blocks * _BLOCK_SAMPLES].reshape(-1, num_blocks, _BLOCK_SAMPLES)
    last = (num_frames - 1) * _BLOCKS_PER_HOP + 1
    return torch.cat([blocks[:, start : start + last : _BLOCKS_PER_HOP] for start in range(_BLOCKS_PER_FRAME)], dim=2)


def _windowed_fourier_basis() -> Tensor:
    """float32[400, 402]: cosines, then sines, of the 201 frequencies, under a periodic Hann window."""
    # The device is spelt out: an encoder built empty on the meta device still needs these values.
    index = torch.arange(FRAME_SAMPLES, dtype=torch.float64, device="cpu")
    window = 0.5 - 0.5 * torch.cos(2 * math.pi * index / FRAME_SAMPLES)
    # The phase is reduced to one turn in integers, where nothing is rounded.
    turns = torch.outer(index, index[:_NUM_BINS]).remainder(FRAME_SAMPLES) / FRAME_SAMPLES
    phase = 2 * math.pi * turns
    return (torch.cat([torch.cos(phase), torch.sin(phase)], dim=1) * window[:, None]).float()


def _mel_filters(num_mels: int) -> Tensor:
    """float32[201, num_mels]: triangles of unit area, equally spaced on Slaney's mel scale from 0 to 8 kHz."""
    from torchaudio.functional import melscale_fbanks

    with torch.device("cpu"):
        filters: Tensor = melscale_fbanks(
            _NUM_BINS, 0.0, SAMPLE_RATE_HZ / 2, num_mels, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney"
        )
    return filters
