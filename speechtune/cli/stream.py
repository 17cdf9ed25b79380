"""`speechtune stream FILE|mic --address HOST:PORT`: feed audio to a server and print its events, one JSON line each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.cli.options import DEFAULT_ADDRESS, AddressOption, ChannelOption, MicrophoneOption
from speechtune.errors import ConfigError, UnreadableAudioError
from speechtune.remote.command_rules import RefractoryOption, stream_rules
from speechtune.remote.server_access import (
    AuthoritiesOption,
    CertificateOption,
    KeyFileOption,
    PrivateKeyOption,
    ServerAccess,
    connected,
)

if TYPE_CHECKING:
    from speechtune_client import StreamEvent

_CHUNK_MS = 40
_HEARTBEAT_MS = 2_000
_NOTHING_TO_TELL = "STATE_UNSPECIFIED"
_RAW, _FILE_ENCODINGS = "LINEAR16", ("WAV", "FLAC", "OGG_OPUS")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(stream)


def stream(
    source: Annotated[str, typer.Argument(metavar="FILE|mic", help="An audio file, or `mic` for the microphone.")],
    address: AddressOption = DEFAULT_ADDRESS,
    model: Annotated[str, typer.Option(help="Name of the model. Defaults to the server's default.")] = "",
    realtime: Annotated[bool, typer.Option("--realtime", help="Send a file at the pace it would be spoken.")] = False,
    encoding: Annotated[
        str,
        typer.Option(help="LINEAR16: decode the file here. WAV, FLAC or OGG_OPUS: send its bytes as they are."),
    ] = "LINEAR16",
    channel: ChannelOption = None,
    device: MicrophoneOption = None,
    interim: Annotated[bool, typer.Option("--interim", help="Show scores while speech goes on.")] = False,
    refractory: RefractoryOption = None,
    authorities: AuthoritiesOption = None,
    certificate: CertificateOption = None,
    private_key: PrivateKeyOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Stream a file or the microphone to a server; print one JSON line per event.

    The microphone is listened to for ever: when the server is away, its last 30 seconds are sent once it is back. A
    heartbeat is printed when the microphone turns out to be quiet or dead, and when it is well again. Audio that this
    machine lost, because it was too busy to take it, is told on standard error.
    """
    from speechtune_client import as_json

    access = ServerAccess(address, authorities, certificate, private_key, key_file)
    with _opened(source, encoding.upper(), realtime, channel, device) as chunks, connected(access) as client:
        open_stream = client.listen if source == "mic" else client.stream
        rules = stream_rules(client, model, refractory or ())
        events = open_stream(
            chunks,
            encoding=encoding,
            model=model,
            commands=rules,
            interims=interim,
            heartbeat_interval_ms=_HEARTBEAT_MS,
        )
        for event in _news(events):
            typer.echo(json.dumps(as_json(event)))


def _news(events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
    """Leave out the heartbeats that tell nothing new of the microphone, which is taken to be well at first."""
    from speechtune_client import Heartbeat

    told = "OK"
    for event in events:
        if isinstance(event, Heartbeat) and event.ends_within is None:
            state = event.microphone.state if event.microphone is not None else _NOTHING_TO_TELL
            if state in (told, _NOTHING_TO_TELL):
                continue
            told = state
        yield event


@contextmanager
def _opened(
    source: str, encoding: str, realtime: bool, channel: int | None, device: str | None
) -> Iterator[Iterable[bytes]]:
    """The chunks of the source; the microphone is given back at the end."""
    if source != "mic":
        if device is not None:
            raise ConfigError(f"--device {device}: is for the microphone; leave it out, or stream `mic`")
        yield _file_chunks(Path(source), encoding, realtime, channel)
        return
    if channel is not None:
        raise ConfigError(f"--channel {channel}: is for files, the microphone has one; leave it out")
    if encoding != _RAW:
        raise ConfigError(f"microphone: it is sent as {_RAW}, not as {encoding}; leave --encoding out")
    from speechtune.cli.terminal.microphone import Microphone, MicrophoneStream, device_from

    microphone = Microphone(device_from(device))
    with closing(MicrophoneStream(microphone, lambda text: typer.echo(text, err=True))) as chunks:
        yield chunks


def _file_chunks(path: Path, encoding: str, realtime: bool, channel: int | None) -> Iterator[bytes]:
    if encoding == _RAW:
        return _file(path, realtime, channel)
    if channel is not None:
        raise ConfigError(f"--channel {channel}: is for files that are decoded here; leave it or --encoding out")
    if encoding not in _FILE_ENCODINGS:
        raise ConfigError(f"--encoding {encoding}: use one of {', '.join((_RAW, *_FILE_ENCODINGS))}")
    return _file_as_it_is(path)


def _file_as_it_is(path: Path) -> Iterator[bytes]:
    """The bytes of a file, as many at a time as a recorder would have written."""
    from speechtune.audio.opening import opened_sound

    with opened_sound(path) as opened:
        seconds = opened.sound.frames / opened.sound.samplerate
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableAudioError(f"{path}: cannot be read ({error.strerror or error})") from error
    step = max(int(len(content) / max(seconds, _CHUNK_MS / 1000) * _CHUNK_MS / 1000), 1)
    return _paced(content, step, True)


def _file(path: Path, realtime: bool, channel: int | None) -> Iterator[bytes]:
    """The chunks of a file, which is read at once: a file that cannot be read is known before a server is asked."""
    import numpy as np

    from speechtune.audio.files import read_sound
    from speechtune.audio.timebase import samples_from_ms

    pcm = np.round(np.clip(read_sound(path, channel=channel).samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
    return _paced(pcm, 2 * samples_from_ms(_CHUNK_MS), realtime)


def _paced(content: bytes, step: int, realtime: bool) -> Iterator[bytes]:
    start = time.monotonic()
    for index, position in enumerate(range(0, len(content), step)):
        if realtime:
            time.sleep(max(0.0, start + (index + 1) * _CHUNK_MS / 1000 - time.monotonic()))
        yield content[position : position + step]
