"""Samples and nothing else: reading, converting, resampling, measuring and placing them.

Owns: the one sample rate everything runs at, PCM decoding, audio files, resampling, levels, clip placement.
Does not own: labels, models, augmentation.
Imports: `av`, `numpy`, `soundfile`, `soxr`, `speechtune`.

PyAV (`av`) is asked only where it is installed. Never torch.
"""
