"""How commands reach a server: its address, TLS, a key; and what it refuses, as errors of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.errors import ConfigError, ModelUnavailableError, SpeechTuneError

if TYPE_CHECKING:
    from speechtune_client import CommandClient

AuthoritiesOption = Annotated[Path | None, typer.Option(metavar="PEM", help="Use TLS, and trust these authorities.")]
CertificateOption = Annotated[
    Path | None, typer.Option(metavar="PEM", help="Certificate of the client, for mutual TLS.")
]
PrivateKeyOption = Annotated[Path | None, typer.Option(metavar="PEM", help="Private key of --certificate.")]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File with the API key, NAME.SECRET.", envvar="SPEECHTUNE_KEY_FILE"),
]


@dataclass(frozen=True)
class ServerAccess:
    """Where a server is and what it wants to see.

    Attributes:
        address: HOST:PORT.
        authorities: who may vouch for the server; none: no TLS.
        certificate, private_key: the client's own, with `authorities`.
        key_file: holds the API key; none: no key.
    """

    address: str
    authorities: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    key_file: Path | None = None


@contextmanager
def connected(access: ServerAccess) -> Iterator[CommandClient]:
    """A client of the server.

    Raises:
        ConfigError: a file cannot be read, options that do not belong together, or a request that the server refuses.
        ModelUnavailableError: the server cannot be reached or fails.
    """
    from speechtune_client import ClientError, CommandClient, Tls

    if (access.certificate is None) != (access.private_key is None):
        raise ConfigError("--certificate and --private-key belong together: name both")
    if access.certificate is not None and access.authorities is None:
        raise ConfigError("--certificate belongs to TLS: name --authorities too")
    tls = None
    if access.authorities is not None:
        own = [None if path is None else _content(path) for path in (access.certificate, access.private_key)]
        tls = Tls(_content(access.authorities), *own)
    api_key = "" if access.key_file is None else _content(access.key_file).decode().strip()
    try:
        with CommandClient(access.address, tls=tls, api_key=api_key) as client:
            yield client
    except ValueError as error:
        raise ConfigError(f"server {access.address}: {error}") from error
    except ClientError as error:
        raise _translated(error.code, f"server {access.address}: {error}") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from error


def _translated(code: str, message: str) -> SpeechTuneError:
    return ConfigError(message) if code in ("INVALID_ARGUMENT", "NOT_FOUND") else ModelUnavailableError(message)
