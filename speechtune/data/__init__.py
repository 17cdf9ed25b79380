"""Recorded clips on disk to leak-free sets of clips, and what is wrong with them.

Owns: clips and their labels, speakers and sessions, folder-per-label sets, manifests, selection of keywords and
negatives, k-shot draws, splits and leaks, inspection, augmentation, synthesised speech, exchange with `datasets`.
Does not own: samples as such (`speechtune.audio`), models, training, live audio.
Imports: numpy, pydantic, librosa and datasets where they are used, `speechtune.audio`, `speechtune.labels`,
`speechtune.errors`. Never torch, never `speechtune.streaming` or `speechtune.record`.
"""
