"""From a microphone to judged clips, take by take, without any IO of its own.

Owns: what is to be said and how often, the loop of announcing, hearing, judging and keeping a take, its verdict.
Does not own: microphones, consoles, files, models: they are seams (`ports`), filled by the command line or by a test.
Imports: `numpy`, `speechtune`, `speechtune.audio`.

Never `speechtune.data` or `speechtune.streaming`.
"""
