"""The committed gRPC code is what the contract compiles to, and asks for no more than the packages promise."""

from __future__ import annotations

import re
import tomllib

import pytest

from data_scripts import generate_stubs
from speechtune.recipe import DetectorSettings, EndpointingSettings
from speechtune_client.v1 import command_recognition_pb2 as pb
from tests.support.speech import REPOSITORY

GENERATED = generate_stubs.GENERATED_FOLDER


@pytest.fixture(scope="module")
def fresh():
    return generate_stubs.generate()


def test_the_committed_code_is_up_to_date(fresh):
    assert generate_stubs.differences(fresh) == [], "run `make proto`"


def test_a_changed_a_missing_and_a_foreign_file_are_each_found(fresh, tmp_path, monkeypatch):
    monkeypatch.setattr(generate_stubs, "GENERATED_FOLDER", tmp_path / "v1")
    generate_stubs.write(fresh)
    assert generate_stubs.differences(fresh) == []
    (tmp_path / "v1" / "command_recognition_pb2.py").write_text("# edited by hand\n")
    (tmp_path / "v1" / "model_admin_pb2.pyi").unlink()
    (tmp_path / "v1" / "old_pb2.py").write_text("")
    assert generate_stubs.differences(fresh) == ["command_recognition_pb2.py", "model_admin_pb2.pyi", "old_pb2.py"]
    generate_stubs.write(fresh)
    assert generate_stubs.differences(fresh) == []


def test_a_contract_that_does_not_compile_is_told_with_protocs_own_words(tmp_path, monkeypatch, capsys):
    (tmp_path / "broken.proto").write_text('syntax = "proto3";\nmessage {\n')
    monkeypatch.setattr(generate_stubs, "PROTO_FOLDER", tmp_path)
    assert generate_stubs.main(["--check"]) == 2
    assert "broken.proto:2" in capsys.readouterr().err


def declared_floors(path):
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    found = (re.match(r"([\w-]+)>=([\d.]+)", dependency) for dependency in project["dependencies"])
    return {match[1]: tuple(map(int, match[2].split("."))) for match in found if match}


@pytest.mark.parametrize("project", ["pyproject.toml", "proto/pyproject.toml"])
def test_the_packages_ask_for_what_the_generated_code_needs(project):
    floors = declared_floors(REPOSITORY / project)
    grpc_code = (GENERATED / "command_recognition_pb2_grpc.py").read_text(encoding="utf-8")
    grpc_needed = tuple(map(int, re.search(r"GRPC_GENERATED_VERSION = '([\d.]+)'", grpc_code)[1].split(".")))
    code = (GENERATED / "command_recognition_pb2.py").read_text(encoding="utf-8")
    protobuf_needed = tuple(map(int, re.search(r"Protobuf Python Version: ([\d.]+)", code)[1].split(".")))
    assert floors["grpcio"] >= grpc_needed
    assert floors["protobuf"] >= protobuf_needed


def test_every_field_of_the_contract_that_could_be_misread_is_commented():
    source = (generate_stubs.PROTO_FOLDER / "command_recognition.proto").read_text(encoding="utf-8")
    assert pb.DESCRIPTOR.package == "speechtune.v1"
    for name in pb.DESCRIPTOR.message_types_by_name:
        assert re.search(rf"^message {name} {{", source, flags=re.MULTILINE), name


@pytest.mark.parametrize(
    ("message", "settings"), [(pb.DetectorSettings, DetectorSettings), (pb.Endpointing, EndpointingSettings)]
)
def test_every_setting_of_a_recipe_that_a_stream_may_change_is_in_the_contract(message, settings):
    # Those of single keywords are fields of `CommandRule`.
    assert set(settings.model_fields) - {"refractory_ms_of"} <= set(message.DESCRIPTOR.fields_by_name)
