"""Speech from text, by eSpeak NG: for a first try without a microphone, and as extra training clips.

The synthesiser comes with its voices in the package `espeakng-loader` (extra `demo`), so nothing need be installed on
the machine. It is spoken to through ctypes. A synthetic clip says so (`Clip.synthetic`) and never judges a model.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.resample import resample
from speechtune.errors import ConfigError

_ACCENTS = {
    "en-us": "gmw/en-US",
    "en-us-nyc": "gmw/en-US-nyc",
    "en-gb": "gmw/en",
    "en-gb-rp": "gmw/en-GB-x-rp",
    "en-gb-scotland": "gmw/en-GB-scotland",
    "en-gb-lancaster": "gmw/en-GB-x-gbclan",
    "en-gb-midlands": "gmw/en-GB-x-gbcwmd",
    "en-caribbean": "gmw/en-029",
}
# fmt: off
_LANGUAGES = frozenset(
    {
        "aav/vi", "bnt/sw", "dra/ta", "dra/te", "eu", "gmq/da", "gmq/is", "gmq/nb", "gmq/sv", "gmw/de", "gmw/nl",
        "grk/el", "inc/bn", "inc/hi", "inc/ur", "ine/hy", "ira/fa", "ira/ku", "jpx/ja", "ko", "poz/id", "poz/ms",
        "roa/ca", "roa/es", "roa/es-419", "roa/fr", "roa/it", "roa/pt", "roa/pt-BR", "roa/ro", "sem/ar", "sit/cmn",
        "sit/yue", "tai/th", "trk/tr", "urj/fi", "urj/hu", "zle/ru", "zle/uk", "zls/bg", "zls/hr", "zlw/cs", "zlw/pl",
    }
)
# fmt: on
"""Other languages by eSpeak's own names, which an accent may be too: for background speech, never for commands."""

# Variants that sound like people: the numbered men and women and the clearer of the named ones.
_VARIANTS = (
    *(f"m{number}" for number in range(1, 9)),
    *(f"f{number}" for number in range(1, 6)),
    *("Alicia", "Andy", "Annie", "Denis", "Gene", "Hugo", "Lee", "Michael", "belinda", "grandma", "grandpa", "linda"),
    *("max", "norbert", "rob", "steph", "travis"),
)
_SLOWEST, _FASTEST = 80, 400
_HIGHEST_PITCH = 99

# From espeak-ng's speak_lib.h.
_OUTPUT_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_PHONEMES = 0x100  # what stands in double brackets is phonemes
_POSITION_CHARACTER = 1
_PARAMETER_RATE, _PARAMETER_VOLUME, _PARAMETER_PITCH = 1, 2, 3
_VOLUME = 60  # of 100: the loudest variants would clip

_REINSTALL = "reinstall it with: pip install --force-reinstall espeakng-loader"
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_lock = threading.Lock()


@dataclass(frozen=True)
class Voice:
    """A way of speaking: a throat, an accent, a pace and a pitch.

    Attributes:
        variant: the throat; it stands for the speaker, for the accents of one throat sound alike.
        accent: one of eight Englishes, or another language by eSpeak's name for it (`gmw/de`).
        words_per_minute: 80 to 400.
        pitch: 0 to 99.

    Raises:
        ConfigError: no such variant or accent, or a number out of range.
    """

    variant: str
    accent: str = "en-us"
    words_per_minute: int = 170
    pitch: int = 50

    def __post_init__(self) -> None:
        if self.variant not in _VARIANTS:
            raise ConfigError(f"voice variant {self.variant!r}: there are {', '.join(_VARIANTS)}")
        if self.accent not in _ACCENTS and self.accent not in _LANGUAGES:
            raise ConfigError(f"accent {self.accent!r}: there are {', '.join(_ACCENTS)}")
        if not _SLOWEST <= self.words_per_minute <= _FASTEST:
            raise ConfigError(f"{self.words_per_minute} words per minute: {_SLOWEST} to {_FASTEST} are possible")
        if not 0 <= self.pitch <= _HIGHEST_PITCH:
            raise ConfigError(f"pitch {self.pitch}: 0 to {_HIGHEST_PITCH} are possible")

    @property
    def speaker(self) -> str:
        """What stands for the person in manifests and splits."""
        return self.variant

    def varied(self, rng: np.random.Generator) -> Voice:
        """The same throat and accent at another pace (130 to 210 words per minute) and pitch (35 to 65)."""
        return replace(self, words_per_minute=int(rng.integers(130, 211)), pitch=int(rng.integers(35, 66)))


def voices() -> tuple[Voice, ...]:
    """Every variant in every accent, at a middling pace and pitch: 30 speakers in 8 accents."""
    return tuple(Voice(variant, accent) for variant in _VARIANTS for accent in _ACCENTS)


def synthesize(text: str, voice: Voice) -> NDArray[np.float32]:
    """Say `text`: float32[N] at 16 kHz, N ≥ 1; the same text and voice give the same samples.

    Raises:
        ConfigError: the synthesiser is not installed or does not work, or the text has nothing to say.
    """
    pcm, rate_hz = _speak(text, voice) if "\0" not in text else (np.zeros(0, dtype=np.int16), 0)
    if not pcm.any():
        raise ConfigError(f"text {text!r}: the synthesiser has nothing to say for it; write it as words")
    return resample(pcm.astype(np.float32) / 32768.0, rate_hz)


def phonemes_of(text: str) -> str:
    """How `text` is said in American English, in eSpeak's own letters; in double brackets it can be said again.

    Raises:
        ConfigError: the synthesiser is not installed or does not work, or the text has nothing to say.
    """
    parts: list[str] = []
    with _lock, _fresh_library() as (library, data_path):
        library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 0, data_path.encode(), _DONT_EXIT)
        _check(library.espeak_SetVoiceByName(_ACCENTS["en-us"].encode()), "voice en-us")
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        rest = ctypes.c_char_p(text.encode())
        while rest.value:
            parts.append((library.espeak_TextToPhonemes(ctypes.byref(rest), _CHARS_UTF8, 0) or b"").decode())
        library.espeak_Terminate()
    said = " ".join(part.strip() for part in parts if part.strip())
    if not said:
        raise ConfigError(f"text {text!r}: the synthesiser has nothing to say for it; write it as words")
    return said


def _speak(text: str, voice: Voice) -> tuple[NDArray[np.int16], int]:
    """int16[N] as the synthesiser gives it, and its rate."""
    blocks: list[NDArray[np.int16]] = []

    def collect(samples: Any, num_samples: int, _events: Any) -> int:
        if samples and num_samples > 0:
            blocks.append(np.ctypeslib.as_array(samples, (num_samples,)).copy())
        return 0

    callback = _Callback(collect)  # must outlive the calls below
    with _lock, _fresh_library() as (library, data_path):
        rate_hz = int(library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 0, data_path.encode(), _DONT_EXIT))
        if rate_hz <= 0:
            raise ConfigError(f"eSpeak NG: does not start with its data at {data_path}; {_REINSTALL}")
        library.espeak_SetSynthCallback(callback)
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        _check(
            library.espeak_SetVoiceByName(f"{_ACCENTS.get(voice.accent, voice.accent)}+{voice.variant}".encode()),
            f"voice {voice}",
        )
        library.espeak_SetParameter(_PARAMETER_RATE, voice.words_per_minute, 0)
        library.espeak_SetParameter(_PARAMETER_VOLUME, _VOLUME, 0)
        library.espeak_SetParameter(_PARAMETER_PITCH, voice.pitch, 0)
        said = text.encode()
        size = ctypes.c_size_t(len(said) + 1)
        _check(
            library.espeak_Synth(said, size, 0, _POSITION_CHARACTER, 0, _CHARS_UTF8 | _PHONEMES, None, None),
            f"text {text!r}",
        )
        library.espeak_Terminate()
    return np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.int16), rate_hz


@contextmanager
def _fresh_library() -> Iterator[tuple[ctypes.CDLL, str]]:
    """The library, loaded anew, and the path of its data.

    Its oscillators keep their phase from one utterance to the next, in static variables that nothing resets; unloading
    it between utterances costs 1 ms and makes each of them depend on its text and voice alone.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise ConfigError(
            "speech synthesis needs the package espeakng-loader; install it with: pip install 'speechtune[demo]'"
        ) from error
    try:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        data_path = str(espeakng_loader.get_data_path())
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"eSpeak NG: cannot be loaded ({error}); {_REINSTALL}") from error
    try:
        yield library, data_path
    finally:
        if sys.platform != "win32":  # there it stays loaded, and utterances differ a little with what was said before
            unload = ctypes.CDLL(None).dlclose
            unload.argtypes = [ctypes.c_void_p]
            unload(library._handle)


def _check(status: int, what: str) -> None:
    if status != 0:
        raise ConfigError(f"eSpeak NG: {what} fails with status {status}; {_REINSTALL}")
