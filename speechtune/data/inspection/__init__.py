"""What is wrong with a set of clips.

Owns: damage, copies, leaks, doubted labels, the page, repair.
Does not own: reading.
Imports: librosa, jinja2, `data.sets`.
"""
