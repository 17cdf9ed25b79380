"""What this machine is and what is installed on it, in one page to paste into an issue. No path, no name of a user.

Everything is looked at and nothing is changed; what cannot be told is said to be not known.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from speechtune.errors import EncoderUnavailableError
from speechtune.extras import EXTRAS, install_command, missing
from speechtune.models.encoders.packaged import PACKAGED_ENCODERS

_CPU_INFO = Path("/proc/cpuinfo")
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_GPU_DRIVER = Path("/proc/driver/nvidia/version")
_INSTRUCTIONS = (
    *("sse4_2", "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16"),
    *("avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2"),
)
"""Those that decide how fast a model runs, of Intel's, AMD's and ARM's processors."""
_NOT_KNOWN = "not known"
_INSTALL = "pip install speechtune"


@dataclass(frozen=True)
class Section:
    """A heading, and what was found: name and value."""

    heading: str
    rows: tuple[tuple[str, str], ...]


def examine(own_version: str) -> tuple[Section, ...]:
    """Look at everything; takes seconds where torch is installed."""
    python = f"{platform.python_version()}, {platform.python_implementation()}"
    return (
        Section("speechtune", (("version", own_version), ("Python", python))),
        Section("Machine", tuple(_machine())),
        Section("Devices", tuple(_devices())),
        Section("Models", tuple(_models())),
        Section("Packages", tuple(_packages())),
        Section("Extras", tuple(_extras())),
    )


def as_text(sections: Iterable[Section]) -> str:
    """One page of plain text, which is Markdown too.

    >>> print(as_text([Section("Machine", (("cores", "2"), ("memory", "8 GB")))]))
    ## Machine
    <BLANKLINE>
    - cores: 2
    - memory: 8 GB
    <BLANKLINE>
    """
    parts = []
    for section in sections:
        parts += [f"## {section.heading}", "", *(f"- {name}: {value}" for name, value in section.rows), ""]
    return "\n".join(parts)


def _machine() -> Iterator[tuple[str, str]]:
    import psutil

    memory = psutil.virtual_memory()
    yield "system", f"{platform.system()} {platform.release()}, {' '.join(platform.libc_ver()).strip() or _NOT_KNOWN}"
    yield "processor", f"{_cpu_line('model name') or platform.processor() or _NOT_KNOWN} ({platform.machine()})"
    yield "cores", f"{_num_usable_cores()} for this process, {os.cpu_count() or _NOT_KNOWN} in all{_quota()}"
    yield "instructions", ", ".join(_instructions()) or _NOT_KNOWN
    yield "memory", f"{memory.total / 1e9:.1f} GB, {memory.available / 1e9:.1f} GB of it free"


def _num_usable_cores() -> int | str:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or _NOT_KNOWN


def _quota() -> str:
    """What a container may use, where it is limited."""
    try:
        limit, period = _CPU_QUOTA.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return ""
    return "" if limit == "max" else f", limited to {int(limit) / int(period):g}"


def _instructions() -> list[str]:
    there = set((_cpu_line("flags") or _cpu_line("Features") or "").split())
    return [name for name in _INSTRUCTIONS if name in there]


def _cpu_line(name: str) -> str | None:
    """The value of a line of the first processor, where the system tells of processors in a file."""
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in found if key.strip() == name), None)


def _devices() -> Iterator[tuple[str, str]]:
    import onnxruntime

    driver = _GPU_DRIVER.read_text(encoding="utf-8").splitlines()[0] if _GPU_DRIVER.is_file() else None
    yield "GPU driver", driver.partition(":")[2].strip() if driver else "none of NVIDIA's"
    yield "torch", _torch()
    yield "ONNX Runtime", ", ".join(onnxruntime.get_available_providers())
    yield "microphones", _microphones()


def _torch() -> str:
    if find_spec("torch") is None:
        return "not installed"
    import torch

    if not torch.cuda.is_available():
        return f"built for {f'CUDA {torch.version.cuda}' if torch.version.cuda else 'CPUs'}, finds no GPU"
    cards = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    told = ", ".join(f"{card.name}, {card.total_memory / 1e9:.0f} GB" for card in cards)
    return f"built for CUDA {torch.version.cuda}, finds {told}"


def _microphones() -> str:
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        return f"cannot be opened ({error}); install PortAudio (on Debian and Ubuntu: apt install libportaudio2)"
    try:
        devices = sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        return f"cannot be listed ({error})"
    return str(sum(device["max_input_channels"] > 0 for device in devices))


def _models() -> Iterator[tuple[str, str]]:
    from speechtune.streaming.voice.activity import SileroActivity

    try:
        SileroActivity()
    except EncoderUnavailableError as error:
        yield "voice activity", str(error)
    else:
        yield "voice activity", "there"
    for name, encoder in PACKAGED_ENCODERS.items():
        is_there = all(find_spec(part.package) is not None for part in encoder.parts)
        yield name, "there" if is_there else f"not installed; run: {install_command('offline')}"


def _packages() -> Iterator[tuple[str, str]]:
    """Every package that is asked for: its version, and whether it is one that is asked for.

    Those of extras are left out where they are not installed.
    """
    try:
        asked = [Requirement(text) for text in requires("speechtune") or ()]
    except PackageNotFoundError:
        yield "speechtune", "runs from its source, and does not tell what it asks for"
        return
    told = set[str]()
    for requirement in asked:
        marker = requirement.marker
        is_light = marker is None or marker.evaluate({"extra": ""})
        is_asked = marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *EXTRAS))
        if not is_asked or requirement.name in told or requirement.name == "speechtune":
            continue
        told.add(requirement.name)
        found = _version_of(requirement.name)
        if found is None and is_light:
            yield requirement.name, f"not installed; run: {_INSTALL}"
        elif found is not None and not requirement.specifier.contains(found, prereleases=True):
            yield requirement.name, f"{found}, and {requirement.specifier} is asked for"
        elif found is not None:
            yield requirement.name, found


def _version_of(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _extras() -> Iterator[tuple[str, str]]:
    for extra in EXTRAS:
        lacking = missing(extra)
        yield extra, "there" if not lacking else f"lacks {', '.join(lacking)}; run: {install_command(extra)}"
