"""The certificate of the server, and whose certificates it takes; read again once the files change."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

import grpc

from speechtune.errors import ConfigError

_log = logging.getLogger(__name__)


class TlsFiles:
    """Certificate chain, private key and, for mutual TLS, the authorities of clients; PEM files.

    A renewed certificate is used from the next connection on. Files that cannot be read, as in the middle of a renewal,
    leave the last good ones in force; so does a chain beside a key that is not its own.

    Raises:
        ConfigError: a file cannot be read or used.
    """

    def __init__(self, certificate: Path, private_key: Path, client_authorities: Path | None) -> None:
        self._paths = [certificate, private_key, *([client_authorities] if client_authorities else [])]
        self._has_authorities = client_authorities is not None
        self._stamp = self._stamp_now()
        self._current = self._read()

    def credentials(self) -> grpc.ServerCredentials:
        """For the server's port."""
        credentials: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
            self._current, self._fetch, self._has_authorities
        )
        return credentials

    def _fetch(self) -> Any:
        try:
            stamp = self._stamp_now()
            if stamp != self._stamp:
                self._current = self._read()
                self._stamp = stamp
                _log.info("the certificate was read again")
        except ConfigError as error:
            _log.error("the last certificate stays in force: %s", error)
        return self._current

    def _stamp_now(self) -> tuple[int, ...]:
        return tuple(self._attempt(path, lambda path: path.stat().st_mtime_ns) for path in self._paths)

    def _read(self) -> Any:
        self._check()
        certificate, private_key, *authorities = (self._attempt(path, Path.read_bytes) for path in self._paths)
        return grpc.ssl_server_certificate_configuration(
            [(private_key, certificate)], authorities[0] if authorities else None
        )

    def _check(self) -> None:
        """Grpc takes anything, and then refuses every connection without saying why; OpenSSL says."""
        certificate, private_key, *authorities = self._paths
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, private_key, password=_no_password)
            for path in authorities:
                context.load_verify_locations(path)
        except (ssl.SSLError, ValueError) as error:
            named = ", ".join(map(str, self._paths))
            raise ConfigError(f"certificate: {named} cannot be used together ({error})") from error
        except OSError as error:
            raise ConfigError(f"certificate {error.filename}: cannot be read ({error.strerror or error})") from error

    @staticmethod
    def _attempt(path: Path, action: Any) -> Any:
        try:
            return action(path)
        except OSError as error:
            raise ConfigError(f"certificate {path}: cannot be read ({error.strerror or error})") from error


def _no_password() -> str:
    raise ValueError("the private key has a password; store it without one, readable by the server alone")
