"""The server's certificate, as gRPC asks for it at every connection."""

from __future__ import annotations

from typing import Any

import grpc

from speechtune_server.process.certificates import CertificateFiles


def credentials_of(files: CertificateFiles) -> grpc.ServerCredentials:
    """For the server's port; a renewed certificate is taken at the next connection."""
    first = files.current()
    fetch = _Fetch(files)
    credentials: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
        fetch(), fetch, first.authorities is not None
    )
    return credentials


class _Fetch:
    """Gives the same configuration for as long as the certificate is the same; another one makes gRPC start anew."""

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self._made: tuple[object, Any] = (None, None)

    def __call__(self) -> Any:
        certificate = self._files.current()
        made_of, configuration = self._made
        if made_of is not certificate:
            pair = (certificate.private_key, certificate.chain)
            configuration = grpc.ssl_server_certificate_configuration([pair], certificate.authorities)
            self._made = (certificate, configuration)
        return configuration
