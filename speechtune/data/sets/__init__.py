"""Clips on disk as sets of clips.

Owns: folders, manifests, speakers, locks, long recordings cut into words, folders that grow, exchange with `datasets`.
Does not own: which clips are used.
Imports: `datasets`, `numpy`, `pydantic`, `speechtune`, `speechtune.audio`.
"""
