"""The certificate of the server, and whose certificates it takes; read again once the files change."""

from __future__ import annotations

import logging
import math
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from speechtune.errors import ConfigError
from speechtune_server.grpc_door.certificate_times import Validity, validity_of

SOON_SECONDS = 7 * 86_400.0
"""How long before its end a certificate is told of."""

_DAY_SECONDS = 86_400.0

_log = logging.getLogger(__name__)


class TlsFiles:
    """Certificate chain, private key and, for mutual TLS, the authorities of clients; PEM files.

    A renewed certificate is used from the next connection on. Files that cannot be read, as in the middle of a renewal,
    leave the last good ones in force; so does a chain beside a key that is not its own, and one that has expired or is
    not valid yet, while the one in force is. One that soon ends is told in the log.

    Args:
        certificate, private_key, client_authorities: the files.
        now: wall-clock time, seconds since 1970, which certificates go by.

    Raises:
        ConfigError: a file cannot be read or used.
    """

    def __init__(
        self,
        certificate: Path,
        private_key: Path,
        client_authorities: Path | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._told_at = -math.inf
        self._paths = [certificate, private_key, *([client_authorities] if client_authorities else [])]
        self._has_authorities = client_authorities is not None
        self._stamp = self._stamp_now()
        self._current, self._validity = self._read()
        self.look()

    def credentials(self) -> grpc.ServerCredentials:
        """For the server's port."""
        credentials: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
            self._current, self._fetch, self._has_authorities
        )
        return credentials

    @property
    def seconds_left(self) -> float:
        """Until the certificate in force ends; less than 0 once it has."""
        return self._validity.not_after - self._now()

    def look(self) -> bool:
        """Whether the certificate in force is good for another week; says so once a day where it is not."""
        now = self._now()
        fault = self._validity.fault(now)
        if fault is None and self.seconds_left > SOON_SECONDS:
            return True
        if abs(now - self._told_at) >= _DAY_SECONDS:
            self._told_at = now
            ends = fault or f"ends in {self.seconds_left / _DAY_SECONDS:.1f} days"
            _log.warning("certificate %s: %s; renew it, the server reads the new one by itself", self._paths[0], ends)
        return False

    def _fetch(self) -> Any:
        try:
            stamp = self._stamp_now()
            if stamp != self._stamp:
                current, validity = self._read()
                fault = validity.fault(self._now())
                if fault is not None and self._validity.fault(self._now()) is None:
                    raise ConfigError(f"certificate {self._paths[0]}: {fault}; install one that is valid now")
                self._current, self._validity, self._stamp = current, validity, stamp
                self._told_at = -math.inf
                _log.info("the certificate was read again")
        except ConfigError as error:
            _log.error("the last certificate stays in force: %s", error)
        self.look()
        return self._current

    def _stamp_now(self) -> tuple[int, ...]:
        return tuple(self._attempt(path, lambda path: path.stat().st_mtime_ns) for path in self._paths)

    def _read(self) -> tuple[Any, Validity]:
        self._check()
        certificate, private_key, *authorities = (self._attempt(path, Path.read_bytes) for path in self._paths)
        try:
            validity = validity_of(certificate.decode("ascii", errors="replace"))
        except ValueError as error:
            raise ConfigError(f"certificate {self._paths[0]}: cannot be read ({error})") from error
        configuration = grpc.ssl_server_certificate_configuration(
            [(private_key, certificate)], authorities[0] if authorities else None
        )
        return configuration, validity

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
