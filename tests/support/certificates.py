"""Certificates made on the spot by the openssl program."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="the openssl program, which makes the certificates, is not installed"
)


EXPIRED = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
TO_COME = ("-startdate", "20900101000000Z", "-enddate", "20910101000000Z")


def _openssl(*arguments: str | Path) -> None:
    result = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 0, result.stderr


@dataclass(frozen=True)
class Authority:
    """Signs certificates; its own is `certificate`."""

    folder: Path

    @staticmethod
    def made(folder: Path) -> Authority:
        folder.mkdir(parents=True)
        (folder / "issued").mkdir()
        (folder / "index.txt").touch()
        (folder / "serial").write_text("01\n")
        (folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca = d\n[d]\n"
            f"database = {folder}/index.txt\nserial = {folder}/serial\nnew_certs_dir = {folder}/issued\n"
            f"certificate = {folder}/ca.pem\nprivate_key = {folder}/ca.key\n"
            "default_md = sha256\npolicy = p\nunique_subject = no\n[p]\ncommonName = supplied\n"
        )
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
            *("-subj", "/CN=test authority", "-keyout", folder / "ca.key", "-out", folder / "ca.pem"),
        )
        return Authority(folder)

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, folder: Path, name: str, dates: tuple[str, ...] = ()) -> tuple[Path, Path]:
        """A certificate and its key, for localhost and two days, in `folder`; replaces those of that name."""
        folder.mkdir(parents=True, exist_ok=True)
        key, request, certificate = (folder / f"{name}.{suffix}" for suffix in ("key", "csr", "pem"))
        extensions = folder / "extensions.cnf"
        extensions.write_text("subjectAltName = DNS:localhost,IP:127.0.0.1\n")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", f"/CN={name}", "-keyout", key, "-out", request),
        )
        _openssl(
            *(
                "ca",
                "-batch",
                "-notext",
                "-config",
                self.folder / "ca.cnf",
                "-extfile",
                extensions,
                *(dates or ("-days", "2")),
            ),
            *("-in", request, "-out", certificate),
        )
        return certificate, key
