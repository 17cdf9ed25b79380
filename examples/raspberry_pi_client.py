"""Commands spoken to a small device: microphone to server, and a line for every command. grpcio and protobuf, no more.

    pip install speechtune-client                  # built from proto/; imports neither numpy nor torch
    python raspberry_pi_client.py 192.0.2.7:50551 --authorities ca.pem --key-file key.txt
    arecord -q -f S16_LE -r 16000 -c 1 -t raw | python raspberry_pi_client.py 127.0.0.1:50551 --source -

Without --source it runs `arecord` itself, or takes the package `sounddevice` where that is installed. When the server
is away it goes on listening, and sends the last 30 seconds once it is back.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from speechtune_client import CommandClient, Detection, Disconnected, Resumed, Tls

RATE_HZ = 16_000
CHUNK_BYTES = 2 * RATE_HZ // 25  # 40 ms
ARECORD = ["arecord", "-q", "-f", "S16_LE", "-r", str(RATE_HZ), "-c", "1", "-t", "raw"]


def on_command(command: Detection) -> None:
    """What the device does; put yours here."""
    print(f"{command.start_offset:9.2f} s  {command.label}  {command.confidence:.2f}", flush=True)


def pipe(source: BinaryIO) -> Iterator[bytes]:
    """Raw audio as it comes."""
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def microphone() -> Iterator[bytes]:
    """The default microphone: `arecord` of ALSA, else PortAudio through `sounddevice`."""
    if shutil.which(ARECORD[0]):
        with subprocess.Popen(ARECORD, stdout=subprocess.PIPE) as recorder:
            assert recorder.stdout is not None
            yield from pipe(recorder.stdout)
        sys.exit("arecord ended: is a microphone connected?")
    try:
        import sounddevice  # noqa: PLC0415  (a device with ALSA does without)
    except (ImportError, OSError):
        sys.exit("no microphone: install alsa-utils (arecord) or the package sounddevice, or give --source")
    with sounddevice.RawInputStream(RATE_HZ, CHUNK_BYTES // 2, channels=1, dtype="int16") as stream:
        while True:
            chunk, overflowed = stream.read(CHUNK_BYTES // 2)
            if overflowed:
                print("audio was lost: this device is too busy to take it", file=sys.stderr)
            yield bytes(chunk)


def main() -> None:
    """Listen until the audio ends, or for ever."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="HOST:PORT of the server")
    parser.add_argument("--source", help="file of raw audio, S16_LE, 16 kHz, mono; - for stdin; else the microphone")
    parser.add_argument("--authorities", type=Path, help="PEM file of those who may vouch for the server: use TLS")
    parser.add_argument("--key-file", type=Path, help="file with the API key, NAME.SECRET")
    given = parser.parse_args()

    options: dict[str, Any] = {}
    if given.authorities:
        options["tls"] = Tls(root_certificates=given.authorities.read_bytes())
    if given.key_file:
        options["api_key"] = given.key_file.read_text().strip()
    if given.source is None:
        chunks = microphone()
    else:
        chunks = pipe(sys.stdin.buffer if given.source == "-" else open(given.source, "rb"))  # noqa: SIM115
    with CommandClient(given.address, **options) as client:
        # A file waits while the server is away; a microphone does not.
        for event in client.listen(chunks, live=given.source in (None, "-")):
            if isinstance(event, Detection):
                on_command(event)
            elif isinstance(event, Disconnected):
                print(f"no server ({event.message}), again in {event.retry_in:.1f} s", file=sys.stderr)
            elif isinstance(event, Resumed):
                print(f"back, {event.lost:.1f} s of audio were lost", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
