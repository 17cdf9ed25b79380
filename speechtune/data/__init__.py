"""Recorded clips on disk to leak-free sets of clips, and what is wrong with them.

Owns: clips and their labels, speakers and sessions, folder-per-label sets, manifests, selection of keywords and
negatives, long speech cut into words, k-shot draws, splits, locks and leaks, inspection and its page, repair,
augmentation, channels and rooms, synthesised speech and near misses, folders that grow, exchange with `datasets`.
Does not own: samples as such (`speechtune.audio`), models, training, live audio.
Imports: `datasets`, `espeakng_loader`, `jinja2`, `librosa`, `numpy`, `pydantic`, `pyroomacoustics`, `soundfile`,
`soxr`, `torch`, `torchaudio`, `speechtune`, `speechtune.audio`.

Heavy libraries are imported where they are used; torch only where `augment` resamples through torchaudio. Never
`speechtune.streaming` or `speechtune.record`.
"""
