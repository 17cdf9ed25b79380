"""The certificate of the server, and whose certificates it takes; read again once the files change."""

from __future__ import annotations

import logging
import math
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from speechtune.errors import ConfigError
from speechtune_server.process.certificate_times import Validity, validity_of

SOON_SECONDS = 7 * 86_400.0
"""How long before its end a certificate is told of."""

_DAY_SECONDS = 86_400.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Certificate:
    """What the files held when they were read.

    Attributes:
        chain, private_key: PEM.
        authorities: PEM, of clients; None: clients need no certificate.
        context: the same for Python's own TLS.
        validity: from when to when the chain is valid.
    """

    chain: bytes
    private_key: bytes
    authorities: bytes | None
    context: ssl.SSLContext
    validity: Validity


class CertificateFiles:
    """Certificate chain, private key and, for mutual TLS, the authorities of clients; PEM files.

    One of these serves all doors, whose threads may ask at once. A renewed certificate is used from the next connection
    on. Files that cannot be read, as in the middle of a renewal, leave the last good ones in force; so does a chain
    beside a key that is not its own, and one that has expired or is not valid yet, while the one in force is. One that
    soon ends is told in the log.

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
        self._stamp = self._stamp_now()
        self._in_force = self._read()
        self._reading = Lock()
        self.look()

    def current(self) -> Certificate:
        """The certificate for the next connection; the same object for as long as the files do not change."""
        with self._reading:
            self._renew()
        return self._in_force

    @property
    def seconds_left(self) -> float:
        """Until the certificate in force ends; less than 0 once it has."""
        return self._in_force.validity.not_after - self._now()

    def look(self) -> bool:
        """Whether the certificate in force is good for another week; says so once a day where it is not."""
        now = self._now()
        fault = self._in_force.validity.fault(now)
        if fault is None and self.seconds_left > SOON_SECONDS:
            return True
        if abs(now - self._told_at) >= _DAY_SECONDS:
            self._told_at = now
            ends = fault or f"ends in {self.seconds_left / _DAY_SECONDS:.1f} days"
            _log.warning("certificate %s: %s; renew it, the server reads the new one by itself", self._paths[0], ends)
        return False

    def _renew(self) -> None:
        try:
            stamp = self._stamp_now()
            if stamp != self._stamp:
                renewed = self._read()
                fault = renewed.validity.fault(self._now())
                if fault is not None and self._in_force.validity.fault(self._now()) is None:
                    raise ConfigError(f"certificate {self._paths[0]}: {fault}; install one that is valid now")
                self._in_force, self._stamp = renewed, stamp
                self._told_at = -math.inf
                _log.info("the certificate was read again")
        except ConfigError as error:
            _log.error("the last certificate stays in force: %s", error)
        self.look()

    def _stamp_now(self) -> tuple[int, ...]:
        return tuple(self._attempt(path, lambda path: path.stat().st_mtime_ns) for path in self._paths)

    def _read(self) -> Certificate:
        context = self._context()
        chain, private_key, *authorities = (self._attempt(path, Path.read_bytes) for path in self._paths)
        try:
            validity = validity_of(chain.decode("ascii", errors="replace"))
        except ValueError as error:
            raise ConfigError(f"certificate {self._paths[0]}: cannot be read ({error})") from error
        return Certificate(chain, private_key, authorities[0] if authorities else None, context, validity)

    def _context(self) -> ssl.SSLContext:
        """Grpc takes any files, and then refuses every connection without saying why; OpenSSL says."""
        certificate, private_key, *authorities = self._paths
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, private_key, password=_no_password)
            for path in authorities:
                context.load_verify_locations(path)
                context.verify_mode = ssl.CERT_REQUIRED
        except (ssl.SSLError, ValueError) as error:
            named = ", ".join(map(str, self._paths))
            raise ConfigError(f"certificate: {named} cannot be used together ({error})") from error
        except OSError as error:
            raise ConfigError(f"certificate {error.filename}: cannot be read ({error.strerror or error})") from error
        return context

    @staticmethod
    def _attempt(path: Path, action: Any) -> Any:
        try:
            return action(path)
        except OSError as error:
            raise ConfigError(f"certificate {path}: cannot be read ({error.strerror or error})") from error


def _no_password() -> str:
    raise ValueError("the private key has a password; store it without one, readable by the server alone")
