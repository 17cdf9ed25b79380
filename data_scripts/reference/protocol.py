"""The page of the gRPC protocol: services, messages and enumerations, with the comments of the `.proto` files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data_scripts.reference.markdown import outside_code, table

_PROTO_ROOT = Path(__file__).resolve().parents[2] / "proto"
_INTRODUCTION = """# Protocol

The contract between devices and server, for every language that has gRPC. The `.proto` files lie in
`proto/speechtune/v1`; `proto/speechtune_client` is the client for Python.
"""
_FILE_COMMENT, _MESSAGES, _ENUMS, _SERVICES = (12,), 4, 5, 6
_FIELDS, _NESTED, _NESTED_ENUMS = 2, 3, 4
_TYPES = {
    1: "double",
    2: "float",
    3: "int64",
    4: "uint64",
    5: "int32",
    8: "bool",
    9: "string",
    12: "bytes",
    13: "uint32",
}


def protocol_page() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *(part for file in _described() for part in _file(file))])


def _described() -> Sequence[Any]:
    """The files, compiled with their comments, the largest first."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from grpc_tools import protoc

    paths = sorted((_PROTO_ROOT / "speechtune").rglob("*.proto"))
    includes = Path(protoc.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "described"
        options = [f"-I{_PROTO_ROOT}", f"-I{includes}", "--include_source_info", f"--descriptor_set_out={out}"]
        if protoc.main(["protoc", *options, *map(str, paths)]):
            raise RuntimeError("the protocol does not compile")
        files: Sequence[Any] = FileDescriptorSet.FromString(out.read_bytes()).file
    return sorted(files, key=lambda file: -len(file.message_type))


class _Comments:
    def __init__(self, file: Any) -> None:
        self._of = {tuple(one.path): one for one in file.source_code_info.location}

    def at(self, *path: int) -> str:
        location = self._of.get(path)
        return "" if location is None else location.leading_comments or location.trailing_comments

    def text(self, *path: int) -> str:
        return outside_code(" ".join(self.at(*path).split()))


def _file(file: Any) -> Iterator[str]:
    comments = _Comments(file)
    yield f"## {Path(file.name).name}\n"
    yield f"```text\n{_unindented(comments.at(*_FILE_COMMENT))}\n```\n"
    for place, service in enumerate(file.service):
        yield f"### service {service.name}\n"
        rows = [
            [f"`{one.name}`", _call(one), comments.text(_SERVICES, place, 2, number)]
            for number, one in enumerate(service.method)
        ]
        yield table(["call", "request and response", "what"], rows)
    for place, enum in enumerate(file.enum_type):
        yield from _enum(enum, comments, (_ENUMS, place), enum.name)
    for place, message in enumerate(file.message_type):
        yield from _message(message, comments, (_MESSAGES, place), message.name)


def _unindented(comment: str) -> str:
    return "\n".join(line.removeprefix(" ").rstrip() for line in comment.splitlines())


def _call(method: Any) -> str:
    asked, told = (_short(name) for name in (method.input_type, method.output_type))
    asked = f"stream of `{asked}`" if method.client_streaming else f"`{asked}`"
    told = f"stream of `{told}`" if method.server_streaming else f"`{told}`"
    return f"{asked} → {told}"


def _message(message: Any, comments: _Comments, path: tuple[int, ...], name: str) -> Iterator[str]:
    yield f"### {name}\n"
    if said := comments.text(*path):
        yield said + "\n"
    rows = [
        [f"`{field.name}`", _type(field, message), str(field.number), comments.text(*path, _FIELDS, number)]
        for number, field in enumerate(message.field)
    ]
    yield table(["field", "type", "number", "what"], rows) if rows else "It has no fields.\n"
    for place, enum in enumerate(message.enum_type):
        yield from _enum(enum, comments, (*path, _NESTED_ENUMS, place), f"{name}.{enum.name}")
    for place, nested in enumerate(message.nested_type):
        yield from _message(nested, comments, (*path, _NESTED, place), f"{name}.{nested.name}")


def _enum(enum: Any, comments: _Comments, path: tuple[int, ...], name: str) -> Iterator[str]:
    yield f"### enum {name}\n"
    if said := comments.text(*path):
        yield said + "\n"
    rows = [
        [f"`{value.name}`", str(value.number), comments.text(*path, 2, number)]
        for number, value in enumerate(enum.value)
    ]
    yield table(["value", "number", "what"], rows)


def _type(field: Any, message: Any) -> str:
    name = f"`{_short(field.type_name) if field.type_name else _TYPES[field.type]}`"
    if field.label == field.LABEL_REPEATED:
        return f"repeated {name}"
    if field.proto3_optional:
        return f"optional {name}"
    if field.HasField("oneof_index"):
        return f"one of `{message.oneof_decl[field.oneof_index].name}`: {name}"
    return name


def _short(name: str) -> str:
    return name.removeprefix(".speechtune.v1.").removeprefix(".google.protobuf.")
