"""Long recordings as many clips of about a word each; the audio stays where it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from speechtune.audio.stretches import count_samples, read_stretch
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.data.sets.clips import Clip
from speechtune.data.sets.word_cuts import cut_at_words

_LONG_WINDOWS = 2
"""A clip shorter than this many windows may be one slow word, and stays whole."""

_BLOCK_SAMPLES = 60 * SAMPLE_RATE_HZ


def cut_long_clips(clips: Sequence[Clip], window_samples: int) -> tuple[Clip, ...]:
    """Replace every clip longer than two windows by its pieces, see `cut_at_words`; the others stay as they are.

    A piece is a stretch of its clip's file, so that leaks between pieces are found; what it says is not known, and its
    place in a long clip tells nothing of that clip's `word` or `id`. A long clip without speech has no pieces.

    Args:
        clips: speech, usually negatives; their files may be hours long.
        window_samples: no piece is longer.

    Raises:
        UnreadableAudioError: a file cannot be read.
    """
    cut: list[Clip] = []
    for clip in clips:
        start, end = clip.stretch
        end = count_samples(clip.path) if end is None else end
        if end - start <= _LONG_WINDOWS * window_samples:
            cut.append(clip)
            continue
        cut += [
            replace(clip, start_sample=first, end_sample=last, num_samples=last - first, word=None, id=None)
            for first, last in _pieces(clip, start, end, window_samples)
        ]
    return tuple(cut)


def _pieces(clip: Clip, start: int, end: int, window_samples: int) -> Iterator[tuple[int, int]]:
    """The pieces of a stretch, a minute at a time: the last piece of a minute, which may be broken, is cut again."""
    while start < end:
        last = min(start + _BLOCK_SAMPLES + _LONG_WINDOWS * window_samples, end)
        pieces = cut_at_words(read_stretch(clip.path, start, last), window_samples)
        if last < end and len(pieces) > 1:
            pieces = pieces[:-1]
        yield from ((start + first, start + after) for first, after in pieces)
        start = start + pieces[-1][1] if pieces and last < end else last
