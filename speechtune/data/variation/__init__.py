"""Other forms of a clip, and what surrounds it.

Owns: augmentation, channels, rooms, running speech, background speech.
Does not own: which clips are varied.
Imports: `numpy`, `pyroomacoustics`, `soundfile`, `soxr`, `torch`, `torchaudio`, `speechtune`, `speechtune.audio`.
"""
