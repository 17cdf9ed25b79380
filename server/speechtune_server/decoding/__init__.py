"""Bytes of audio files to samples, as they come.

Owns: WAV, FLAC, Ogg Opus.
Does not own: requests.
Imports: `av`, `numpy`, `speechtune`.
"""
