"""Write the Python code of the gRPC contract, or check that the committed code is up to date.

The `.proto` files lie in `proto/speechtune/v1`, but are compiled under the virtual path `speechtune_client/v1`, so that
the generated package can never hide the Python package `speechtune`.

    python -m data_scripts.generate_stubs            rewrite proto/speechtune_client/v1
    python -m data_scripts.generate_stubs --check    change nothing; exit 1 and name what differs
"""

from __future__ import annotations

import argparse
import importlib.resources
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from speechtune.errors import ConfigError, SpeechTuneError

REPOSITORY = Path(__file__).resolve().parents[1]
PROTO_FOLDER = REPOSITORY / "proto" / "speechtune" / "v1"
GENERATED_FOLDER = REPOSITORY / "proto" / "speechtune_client" / "v1"

_VIRTUAL_FOLDER = "speechtune_client/v1"
_ROOM_CARD = '"""Generated from `proto/speechtune/v1` by `python -m data_scripts.generate_stubs`: do not edit."""\n'


def main(argv: list[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    parser = argparse.ArgumentParser(prog="generate_stubs", description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the code is out of date")
    options = parser.parse_args(argv)
    try:
        fresh = generate()
    except SpeechTuneError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    changed = differences(fresh)
    if options.check:
        for name in changed:
            print(f"{GENERATED_FOLDER.relative_to(REPOSITORY) / name}: out of date; run `make proto`", file=sys.stderr)
        return 1 if changed else 0
    write(fresh)
    print(f"{len(fresh)} files, {len(changed)} changed")
    return 0


def generate() -> dict[str, str]:
    """File name to text of everything that belongs in the generated package.

    Raises:
        ConfigError: a compiler plugin is missing, or a `.proto` file does not compile.
    """
    plugin = _plugin("protoc-gen-mypy_grpc")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--proto_path={_VIRTUAL_FOLDER}={PROTO_FOLDER}",
            f"--proto_path={importlib.resources.files('grpc_tools') / '_proto'}",
            f"--plugin=protoc-gen-mypy_grpc={plugin}",
            f"--python_out={folder}",
            f"--pyi_out={folder}",
            f"--grpc_python_out={folder}",
            f"--mypy_grpc_out=quiet:{folder}",
            *(f"{_VIRTUAL_FOLDER}/{source.name}" for source in sorted(PROTO_FOLDER.glob("*.proto"))),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConfigError(f"protoc failed; fix this and run it again:\n{done.stderr.strip()}")
        written = sorted((Path(folder) / _VIRTUAL_FOLDER).iterdir())
        texts = {file.name: file.read_text(encoding="utf-8") for file in written}
    services = {name for name, text in texts.items() if name.endswith("_pb2_grpc.py") and "class " in text}
    texts = {name: text for name, text in texts.items() if "_grpc." not in name or _code_name(name) in services}
    return {"__init__.py": _ROOM_CARD, **texts}


def differences(fresh: dict[str, str]) -> list[str]:
    """Names of files that are missing, differ, or should not be there."""
    present = {file.name: file.read_text(encoding="utf-8") for file in GENERATED_FOLDER.glob("*.py*") if file.is_file()}
    return sorted(name for name in fresh.keys() | present.keys() if fresh.get(name) != present.get(name))


def write(fresh: dict[str, str]) -> None:
    """Replace what differs, and remove what should not be there; every file appears whole."""
    GENERATED_FOLDER.mkdir(parents=True, exist_ok=True)
    for name in differences(fresh):
        target = GENERATED_FOLDER / name
        if name not in fresh:
            target.unlink()
            continue
        beside = target.with_name(f".{name}.tmp")
        beside.write_text(fresh[name], encoding="utf-8")
        beside.replace(target)


def _code_name(name: str) -> str:
    return name.removesuffix("i")


def _plugin(name: str) -> str:
    # Beside the interpreter first: a virtual environment need not be activated.
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise ConfigError(f"the protoc plugin {name} is not installed: run `make setup`")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
