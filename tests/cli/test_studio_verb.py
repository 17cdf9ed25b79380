"""What `speechtune studio` refuses before it serves, and by what address it serves."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from speechtune.cli.app import run
from speechtune.cli.studio_certificate import own_certificate
from speechtune.cli.studio_process import own_names
from speechtune.data.sets.folder_lock import sole_writer
from tests.support.certificates import needs_openssl


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--address", "0.0.0.0:0"], "add --tls, or --allow-plaintext"),
        (["--address", "nowhere"], "write HOST:PORT"),
        (["--server", "127.0.0.1:1"], "--server and --server-models belong together"),
        (["--page-key", "key.pem"], "--page-certificate and --page-key belong together"),
        (["--set", "augment.copies=many"], "augment.copies"),
        (["--page-certificate", "none.pem", "--page-key", "none.pem"], "none.pem"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(["studio", str(tmp_path / "studio"), "--no-compare", *arguments]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert len(told.splitlines()) == 1


def test_a_folder_that_somebody_records_into_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sole_writer(tmp_path / "studio" / "clips"):
        assert run(["studio", str(tmp_path / "studio")]) == 2
    assert "somebody else is recording into it" in capsys.readouterr().err


@needs_openssl
def test_the_studio_s_own_certificate_is_made_once_for_its_names(tmp_path: Path) -> None:
    import ssl

    names = ("localhost", "127.0.0.1", *own_names())
    certificate, key = own_certificate(tmp_path / "tls", names)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    first = certificate.read_bytes()
    assert own_certificate(tmp_path / "tls", tuple(reversed(names)))[0].read_bytes() == first
    assert own_certificate(tmp_path / "tls", (*names, "other.local"))[0].read_bytes() != first
    authority = ssl.create_default_context(cafile=certificate)
    (own,) = authority.get_ca_certs()
    assert ("DNS", "other.local") in own["subjectAltName"]
    assert ("IP Address", "127.0.0.1") in own["subjectAltName"]
