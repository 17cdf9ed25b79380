"""What is wrong with a set of clips.

Owns: damage, copies, leaks, doubted labels, the page, repair.
Does not own: reading.
Imports: `jinja2`, `librosa`, `numpy`, `pydantic`, `soundfile`, `speechtune`, `speechtune.audio`,
`speechtune.data.sets`.
"""
