"""What an operator copies: the example settings, the unit, the images, the probe."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib

import pytest

from speechtune.models.export import export_onnx
from speechtune_server.grpc_door import health_probe
from speechtune_server.process.admission import ServiceState
from speechtune_server.process.config import ServerConfig, load_server_config
from tests.support.certificates import Authority, needs_openssl
from tests.support.encoders import random_checkpoint
from tests.support.processes import run_python
from tests.support.serving import asynchronous, config_of, running_server
from tests.support.speech import REPOSITORY

DEPLOY = REPOSITORY / "server" / "deploy"
EXAMPLE = DEPLOY / "serve.toml"
NO_DEFAULT = {"models", "default_model"}
OTHER_THAN_DEFAULT = {"export_folder", "wyoming_without_keys"}


def test_the_example_settings_are_the_defaults_and_name_every_setting():
    text = EXAMPLE.read_text()
    example = load_server_config(EXAMPLE, {})
    assert example.models == {"home": DEPLOY / "models/home"}
    for name, field in ServerConfig.model_fields.items():
        assert re.search(rf"^(# )?{name} = |^\[{name}\]", text, re.MULTILINE), f"{name} is not in the example"
        if name not in NO_DEFAULT:
            assert getattr(example, name) == field.default


def test_what_is_commented_out_in_the_example_is_valid_and_is_the_default_where_there_is_one(tmp_path):
    text = re.sub(r"^# ([a-z_]+ = )", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    (tmp_path / "serve.toml").write_text(text)
    everything = load_server_config(tmp_path / "serve.toml", {})
    assert everything.certificate == tmp_path / "tls/server.pem"
    for name, field in ServerConfig.model_fields.items():
        if name not in NO_DEFAULT and field.default is not None and name not in OTHER_THAN_DEFAULT:
            assert getattr(everything, name) == field.default, name


def test_serving_an_exported_file_needs_what_the_small_image_holds_and_never_torch(tmp_path):
    checkpoint = dataclasses.replace(random_checkpoint(), digest="ab" * 32)
    export_onnx(checkpoint, tmp_path / "home.onnx")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["media"]]
    packages = [re.match("[A-Za-z0-9-]+", one)[0] for one in asked]
    removed = re.findall(r"\$packages/(onnx(?:runtime)?/\w+)", (DEPLOY / "Dockerfile").read_text())
    assert len(removed) == 5
    printed = run_python(
        f"""
        import asyncio, importlib.metadata, re, sys
        from pathlib import Path

        def normal(name): return re.sub("[-_.]+", "-", name).lower()
        wanted, allowed = {packages!r}, set()
        while wanted:
            name = normal(wanted.pop())
            if name not in allowed:
                allowed.add(name)
                try:
                    needs = importlib.metadata.requires(name) or []
                except importlib.metadata.PackageNotFoundError:  # for another system or Python
                    continue
                wanted += [re.match("[A-Za-z0-9_.-]+", need)[0] for need in needs if "extra ==" not in need]
        owners = importlib.metadata.packages_distributions()
        blocked = {{top for top, names in owners.items() if not allowed & {{normal(name) for name in names}}}}
        blocked -= {{"speechtune", "speechtune_server", "speechtune_client"}}
        assert {{"torch", "transformers", "scipy"}} <= blocked

        class OnlyTheImage:
            def find_spec(self, name, path=None, target=None):
                is_removed = name.replace(".", "/") in {removed!r}
                if is_removed or name.partition(".")[0] in blocked:
                    raise ModuleNotFoundError(f"{{name}} is not in the image")

        sys.meta_path.insert(0, OnlyTheImage())
        import speechtune.cli.app
        from speechtune_client import AsyncCommandClient
        from speechtune_server.app import RecognitionServer
        from speechtune_server.process.config import server_config

        async def main():
            config = server_config(models={{"home": Path({str(tmp_path / "home.onnx")!r})}}, address="127.0.0.1:0",
                                   backend="onnx", drain_notice_seconds=0)
            server = RecognitionServer(config)
            async with AsyncCommandClient(await server.start()) as client:
                found = await client.recognize(bytes(32_000), "LINEAR16", sample_rate_hertz=16_000)
            await server.stop()
            print(len(found.scores), sorted({{"torch", "transformers"}} & sys.modules.keys()))

        asyncio.run(main())
        """,
        PYTHONPATH=os.pathsep.join(sys.path),
    )
    assert printed.splitlines()[-1] == "4 []"


def test_the_image_copies_what_is_there_and_names_no_registry():
    text = (DEPLOY / "Dockerfile").read_text()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        assert all((REPOSITORY / source).exists() for source in sources.split())
    images = re.findall(r"^(?:FROM|ARG PYTHON=) ?(\S+)", text, re.MULTILINE)
    assert not [image for image in images if "." in image.partition("/")[0].partition(":")[0]]
    assert "USER speechtune" in text


def test_the_unit_gives_a_drain_the_time_it_may_take():
    unit = (DEPLOY / "speechtune.service").read_text()
    config = config_of(drain_notice_seconds=ServerConfig.model_fields["drain_notice_seconds"].default)
    stop = int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[1])
    assert stop > config.drain_notice_seconds + ServerConfig.model_fields["drain_deadline_seconds"].default


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_one_that_systemd_takes(tmp_path):
    unit = (DEPLOY / "speechtune.service").read_text().replace("/opt/speechtune/bin/speechtune", "/bin/true")
    (tmp_path / "speechtune.service").write_text(unit)
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / "speechtune.service")],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    about_ours = [line for line in result.stderr.splitlines() if "speechtune" in line]
    assert (result.returncode, about_ours) == (0, [])


@asynchronous
async def test_the_probe_says_whether_calls_are_taken(capsys):
    async with running_server() as server:
        assert await asyncio.to_thread(health_probe.main, [server.address]) == 0
        service = ["--service", "speechtune.v1.CommandRecognition"]
        assert await asyncio.to_thread(health_probe.main, [server.address, *service]) == 0
        assert await asyncio.to_thread(health_probe.main, [server.address, "--service", "x"]) == 1
        server.admission.state = ServiceState.DRAINING
        await server._health.set_serving(False)
        assert await asyncio.to_thread(health_probe.main, [server.address]) == 1
    assert await asyncio.to_thread(health_probe.main, [server.address, "--timeout", "1"]) == 1
    said = capsys.readouterr().out.split()
    assert said == ["SERVING", "SERVING", "NOT_FOUND", "NOT_SERVING", "UNAVAILABLE"]


@needs_openssl
@asynchronous
async def test_the_probe_finds_address_and_certificates_in_the_servers_settings(tmp_path):
    authority = Authority.made(tmp_path / "authority")
    certificate, key = authority.issue(tmp_path, "server")
    own = {"certificate": certificate, "private_key": key, "client_authorities": authority.certificate}
    async with running_server(**own) as server:
        lines = [f'{name} = "{path}"' for name, path in own.items()]
        port = server.address.rpartition(":")[2]
        (tmp_path / "serve.toml").write_text("\n".join([f'address = "0.0.0.0:{port}"', *lines, '[models]\na = "a"']))
        given = ["--config", str(tmp_path / "serve.toml"), "--authorities", str(authority.certificate)]
        assert await asyncio.to_thread(health_probe.main, given) == 0
        assert await asyncio.to_thread(health_probe.main, given[:2]) == 0  # its own certificate vouches for it
    assert health_probe.main(["--config", str(tmp_path / "none.toml")]) == 2


def test_a_real_server_logs_one_object_a_line_reloads_on_hangup_and_drains_on_sigterm(tmp_path):
    checkpoint = dataclasses.replace(random_checkpoint(), digest="ab" * 32)
    export_onnx(checkpoint, tmp_path / "home.onnx")
    (tmp_path / "serve.toml").write_text('address = "127.0.0.1:0"\nkeep_hits = "hits"\n[models]\nhome = "home.onnx"\n')
    command = [sys.executable, "-m", "speechtune", "serve", "--config", str(tmp_path / "serve.toml")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    lines = []
    with subprocess.Popen(
        [*command, "--log-format", "json"], stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as process:
        try:
            for line in process.stderr:
                lines.append(json.loads(line))
                if lines[-1]["message"].startswith("serving on"):
                    process.send_signal(signal.SIGHUP)
                elif sum("has digest" in one["message"] for one in lines) == 2:
                    process.send_signal(signal.SIGTERM)
                    break
            lines += [json.loads(line) for line in process.stderr]
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert lines[-1]["message"] == "stopped"
    assert any("is kept in" in one["message"] for one in lines)
    assert (tmp_path / "hits").is_dir()


@pytest.mark.parametrize(
    ("listened_on", "asked"), [("[::1]:7", "[::1]:7"), ("[::]:7", "[::1]:7"), ("0.0.0.0:7", "127.0.0.1:7")]
)
def test_the_probe_asks_where_the_settings_say(tmp_path, monkeypatch, listened_on, asked):
    (tmp_path / "serve.toml").write_text(
        f'address = "{listened_on}"\nallow_plaintext = true\n[models]\nhome = "home"\n'
    )
    addresses = []
    monkeypatch.setattr(health_probe, "probe", lambda address, *_: addresses.append(address) or "SERVING")
    assert health_probe.main(["--config", str(tmp_path / "serve.toml")]) == 0
    assert addresses == [asked]
