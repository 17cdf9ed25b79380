"""What a person meets in a terminal.

Owns: microphone, the recording dialogue, the review dialogue, progress.
Does not own: verbs.
Imports: rich, sounddevice.
"""
