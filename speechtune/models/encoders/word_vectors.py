"""Which way a word lies for Whisper's decoder: rows of its vocabulary, read when a head is trained and never kept.

The decoder scores every token by the product of its state with the token's row. What it learnt of `stop` on 680,000
hours of speech is therefore a direction in the very space that the head's last block looks at: a better beginning for
the class `stop` than nothing, and the fewer clips there are, the more so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import CheckpointCorruptError
from speechtune.labels import RESERVED
from speechtune.models.encoders.loading import find_folder
from speechtune.models.encoders.packaged import PACKAGED_ENCODERS, PackagedEncoder, read_packaged, read_tokenizer
from speechtune.models.encoders.pretrained_files import TOKENIZER_FILE

_PACKAGED_ROWS = "decoder/embeddings/weight"
_ROWS = ("model.decoder.embed_tokens.weight", "decoder.embed_tokens.weight", "proj_out.weight")
_NUMERALS = dict(enumerate(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")))
_SHORTEST_BEGINNING = 2  # letters; a single one begins too many words to tell of one


@dataclass(frozen=True)
class WordVectors:
    """A vocabulary and what the decoder compares its state with.

    Attributes:
        rows: float[V, D], one per token.
        tokenizer: of the `tokenizers` package.
    """

    rows: NDArray[np.floating[Any]]
    tokenizer: Any

    @cached_property
    def _centre(self) -> NDArray[np.float32]:
        centre: NDArray[np.float32] = self.rows.mean(axis=0, dtype=np.float32)
        return centre

    def directions(self, labels: Sequence[str]) -> NDArray[np.float32]:
        """float32[len(labels), D], the mean row of the ways to write each label, less the mean of all rows.

        A phrase counts by its first word, and a word of several tokens by its first: the decoder is asked for no more.
        A label that the vocabulary says nothing of has zeros, and so have `_unknown_` and `_silence_`.
        """
        found = np.zeros((len(labels), self.rows.shape[1]), dtype=np.float32)
        for place, label in enumerate(labels):
            tokens = self._tokens(label)
            if tokens:
                found[place] = self.rows[tokens].astype(np.float32).mean(axis=0) - self._centre
        return found

    def _tokens(self, label: str) -> list[int]:
        """The first tokens of ` word` and ` Word`, a numeral also as figures and figures also as a word."""
        if label in RESERVED:
            return []
        word = re.sub(r"[\W_]+", " ", label).strip()
        spellings = {word} | {other for pair in _pairs() if word.lower() in pair for other in pair}
        tokens = set()
        for spelling in filter(None, spellings):
            for written in (spelling, spelling[0].upper() + spelling[1:]):
                first = self.tokenizer.encode(f" {written}", add_special_tokens=False).ids[0]
                beginning = self.tokenizer.decode([first]).strip()
                if len(beginning) >= min(_SHORTEST_BEGINNING, len(spelling)):
                    tokens.add(int(first))
        return sorted(tokens)


def load_word_vectors(name: str, *, may_fetch: bool) -> WordVectors | None:
    """The vocabulary of the pretrained encoder `name`; None where it has none or it is not at hand.

    Args:
        name: as for `registry.load_encoder`.
        may_fetch: whether a Hugging Face id may be downloaded; else it is looked for in the hub's cache only.

    Raises:
        ModelError: as for `load_encoder`, where `may_fetch`.
        CheckpointCorruptError: the files are damaged.
    """
    if name in PACKAGED_ENCODERS:
        return _packaged(PACKAGED_ENCODERS[name])
    folder = find_folder(name, may_fetch=may_fetch)
    return None if folder is None else _in_folder(folder, name)


def _pairs() -> list[tuple[str, str]]:
    return [(str(number), word) for number, word in _NUMERALS.items()]


def _packaged(encoder: PackagedEncoder) -> WordVectors:
    from tokenizers import Tokenizer

    from speechtune.models.encoders.ctranslate2_reader import read_ctranslate2

    variables = read_ctranslate2(read_packaged(encoder), f"encoder {encoder.name!r}")
    rows: NDArray[np.floating[Any]] = np.asarray(variables[_PACKAGED_ROWS])
    return WordVectors(rows, Tokenizer.from_buffer(read_tokenizer(encoder)))


def _in_folder(folder: Path, name: str) -> WordVectors | None:
    path = folder / TOKENIZER_FILE
    rows = _stored_rows(folder, name)
    if rows is None or not path.is_file():
        return None
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more particular
        raise CheckpointCorruptError(f"encoder {name!r}: {path} cannot be read as a tokenizer ({error})") from error
    if tokenizer.get_vocab_size() > len(rows):
        raise CheckpointCorruptError(
            f"encoder {name!r}: {path} knows {tokenizer.get_vocab_size()} tokens, its weights {len(rows)}"
        )
    return WordVectors(rows, tokenizer)


def _stored_rows(folder: Path, name: str) -> NDArray[np.floating[Any]] | None:
    """The one tensor that is needed, out of whichever safetensors file holds it; pickled weights are not opened."""
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        for path in sorted(folder.glob("model*.safetensors")):
            with safe_open(path, framework="pt") as file:
                stored = set(file.keys())
                for key in _ROWS:
                    if key in stored:
                        rows: NDArray[np.floating[Any]] = file.get_tensor(key).to(torch.float32).numpy()
                        return rows
    except (OSError, SafetensorError) as error:
        raise CheckpointCorruptError(f"encoder {name!r}: the weights in {folder} cannot be read ({error})") from error
    return None
