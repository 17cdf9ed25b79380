"""Samples and nothing else: reading, converting, resampling, measuring and placing them.

Owns: the one sample rate everything runs at, PCM decoding, audio files, resampling, levels, clip placement.
Does not own: labels, models, augmentation. Imports: numpy, soundfile, soxr, `speechtune.errors`, and PyAV where it is
installed. Never torch.
"""
