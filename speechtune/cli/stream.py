"""`speechtune stream FILE|mic --address HOST:PORT`: feed audio to a server and print its events, one JSON line each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from speechtune.cli.options import DEFAULT_ADDRESS, AddressOption
from speechtune.errors import ConfigError, ModelUnavailableError, SpeechTuneError

_CHUNK_MS = 40


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(stream)


def stream(
    source: Annotated[str, typer.Argument(metavar="FILE|mic", help="An audio file, or `mic` for the microphone.")],
    address: AddressOption = DEFAULT_ADDRESS,
    model: Annotated[str, typer.Option(help="Name of the model; otherwise the server's default.")] = "",
    realtime: Annotated[bool, typer.Option("--realtime", help="Send a file at the pace it would be spoken.")] = False,
    interim: Annotated[bool, typer.Option("--interim", help="Show scores while speech goes on.")] = False,
    authorities: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Use TLS; these may vouch for the server.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the API key, NAME.SECRET.", envvar="SPEECHTUNE_KEY_FILE"),
    ] = None,
) -> None:
    """Stream a file or the microphone to a server; print one JSON line per event.

    The microphone is listened to for ever: when the server is away, its last 30 seconds are sent once it is back.
    """
    from speechtune_client import ClientError, CommandClient, Tls, as_json

    chunks = _microphone() if source == "mic" else _file(Path(source), realtime)
    tls = Tls(root_certificates=_content(authorities)) if authorities else None
    api_key = _content(key_file).decode().strip() if key_file else ""
    try:
        with CommandClient(address, tls=tls, api_key=api_key) as client:
            open_stream = client.listen if source == "mic" else client.stream
            for event in open_stream(chunks, model=model, interims=interim):
                typer.echo(json.dumps(as_json(event)))
    except ValueError as error:
        raise ConfigError(f"server {address}: {error}") from error
    except ClientError as error:
        raise _translated(error.code, f"server {address}: {error}") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from error


def _translated(code: str, message: str) -> SpeechTuneError:
    return ConfigError(message) if code in ("INVALID_ARGUMENT", "NOT_FOUND") else ModelUnavailableError(message)


def _file(path: Path, realtime: bool) -> Iterator[bytes]:
    """The chunks of a file, which is read at once: a file that cannot be read is known before a server is asked."""
    import numpy as np

    from speechtune.audio.files import read_audio

    pcm = np.round(np.clip(read_audio(path), -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
    return _paced(pcm, realtime)


def _paced(pcm: bytes, realtime: bool) -> Iterator[bytes]:
    from speechtune.audio.timebase import samples_from_ms

    step = 2 * samples_from_ms(_CHUNK_MS)
    start = time.monotonic()
    for index, position in enumerate(range(0, len(pcm), step)):
        if realtime:
            time.sleep(max(0.0, start + (index + 1) * _CHUNK_MS / 1000 - time.monotonic()))
        yield pcm[position : position + step]


def _microphone() -> Iterator[bytes]:
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"microphone: cannot be opened ({error}); run: pip install 'speechtune[mic]', and install PortAudio"
        ) from error
    from speechtune.audio.timebase import SAMPLE_RATE_HZ, samples_from_ms

    block = samples_from_ms(_CHUNK_MS)
    try:
        with sounddevice.RawInputStream(SAMPLE_RATE_HZ, blocksize=block, channels=1, dtype="int16") as microphone:
            while True:
                content, _ = microphone.read(block)
                yield bytes(content)
    except sounddevice.PortAudioError as error:
        raise ConfigError(f"microphone: {error}; name another one as the system's default") from error
