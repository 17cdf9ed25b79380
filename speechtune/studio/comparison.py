"""The comparison of new takes with those that were kept: its encoder is loaded once, while nobody waits for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from speechtune.errors import SpeechTuneError
from speechtune.studio.takes import Takes

if TYPE_CHECKING:
    from speechtune.models.clip_embeddings import ClipEncoder
    from speechtune.record.ports import Ear


class Comparison:
    """Makes an ear for every recording.

    Args:
        encoder: name of the encoder; None: takes are not compared.
    """

    def __init__(self, encoder: str | None) -> None:
        self.problem: str | None = None
        """Why takes are not compared, though they should be; None: they are, or will be."""
        self._encoder_name = encoder
        self._encoder: ClipEncoder | None = None
        self._is_loaded = threading.Event()

    def load(self) -> None:
        """Load the encoder; takes seconds, and is to be called once, in a thread of its own."""
        try:
            if self._encoder_name is not None:
                self._encoder = _loaded(self._encoder_name)
        except SpeechTuneError as error:
            self.problem = str(error)
        finally:
            self._is_loaded.set()

    def ear(self, takes: Takes, speaker: str | None) -> Ear | None:
        """What compares the takes of one recording with those that this speaker has kept; waits for the encoder.

        Raises:
            AudioError: a kept take cannot be read.
        """
        self._is_loaded.wait()
        if self._encoder is None:
            return None
        from speechtune.models.clip_embeddings import TakeComparer

        ear = TakeComparer(self._encoder)
        ear.remember_clips([clip for clip in takes.clip_set.clips if clip.speaker == speaker])
        return ear


def _loaded(name: str) -> ClipEncoder:
    import torch

    from speechtune.models.clip_embeddings import ClipEncoder
    from speechtune.models.encoders.loading import load_encoder

    torch.set_num_threads(1)  # a take is too little work to share out
    return ClipEncoder(load_encoder(name))
