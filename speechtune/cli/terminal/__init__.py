"""What a person meets in a terminal.

Owns: microphone, the recording dialogue, the review dialogue, progress, interrupts.
Does not own: verbs.
Imports: `numpy`, `rich`, `sounddevice`, `speechtune`, `speechtune.audio`, `speechtune.data`, `speechtune.record`,
`speechtune.streaming`, `speechtune.training`, `speechtune_server`.
"""
