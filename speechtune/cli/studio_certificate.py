"""The studio's own certificate, so that browsers of other machines give its page the microphone.

Nobody vouches for it: a browser asks once whether the page may be opened all the same.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from speechtune.errors import ConfigError

_DAYS = 397
"""Browsers take no certificate that is valid for longer."""
_RENEWED_DAYS_BEFORE = 30
_CERTIFICATE, _KEY, _NAMES = "certificate.pem", "key.pem", "names.json"


def own_certificate(folder: Path, names: Sequence[str]) -> tuple[Path, Path]:
    """Certificate chain and private key for `names`, made by the openssl program where there are none that still do.

    Args:
        folder: where they are kept.
        names: host names and IP addresses.

    Raises:
        ConfigError: openssl is not installed, or fails.
    """
    certificate, key = folder / _CERTIFICATE, folder / _KEY
    if _still_do(folder, names):
        return certificate, key
    if shutil.which("openssl") is None:
        raise ConfigError(
            "--tls: the openssl program, which makes the certificate, is not installed; install it, or give "
            "--page-certificate and --page-key"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix=".new.", dir=folder) as place:
            _make(Path(place), names)
            for name in (_KEY, _CERTIFICATE, _NAMES):
                (Path(place) / name).replace(folder / name)
    except OSError as error:
        raise ConfigError(f"--tls: {folder}: cannot be written ({error.strerror or error})") from error
    return certificate, key


def _still_do(folder: Path, names: Sequence[str]) -> bool:
    try:
        known = json.loads((folder / _NAMES).read_text(encoding="utf-8"))
        age_days = (time.time() - (folder / _CERTIFICATE).stat().st_mtime) / 86_400.0
    except (OSError, ValueError):
        return False
    return bool(known == sorted(names)) and age_days < _DAYS - _RENEWED_DAYS_BEFORE and (folder / _KEY).is_file()


def _make(place: Path, names: Sequence[str]) -> None:
    key = place / _KEY
    os.close(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    result = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", str(_DAYS), "-subj", "/CN=speechtune studio"),
            *("-addext", "subjectAltName=" + ",".join(map(_alternative, sorted(names)))),
            *("-addext", "extendedKeyUsage=serverAuth", "-keyout", str(key), "-out", str(place / _CERTIFICATE)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise ConfigError(f"--tls: openssl made no certificate ({' '.join(result.stderr.split())[-300:]})")
    (place / _NAMES).write_text(json.dumps(sorted(names)), encoding="utf-8")


def _alternative(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"
