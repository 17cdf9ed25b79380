"""Every setting of the server, with its unit, its range and its reason."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from speechtune.audio.pcm import PcmFormat
from speechtune.errors import ConfigError
from speechtune.names import composed, hidden_character
from speechtune_server.process.logs import LogFormat, LogLevel
from speechtune_server.process.places import share_of

DEFAULT_ADDRESS = "127.0.0.1:50551"
WYOMING_SCHEME = "tcp://"
LEAST_STREAMS = 8
"""So many streams are let in on any machine, unless the settings say otherwise."""

_PATH_KEYS = frozenset(
    {"models", "export_folder", "model_folder", "certificate", "private_key", "client_authorities", "keys", "keep_hits"}
)
_MODEL_NAME = re.compile(r"[^@/\\]{1,64}")
MODEL_NAME_RULE = "use 1 to 64 characters, no '@', slash, control character or mark of the direction of writing"
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\[\]:/\s]+):(?P<port>[0-9]{1,5})")

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+", re.IGNORECASE)


def is_model_name(name: str) -> bool:
    """Whether a model can be called so; '@' separates a name from a digest, so it cannot be part of one."""
    return _MODEL_NAME.fullmatch(name) is not None and hidden_character(name) is None


class Backend(StrEnum):
    """What runs the models."""

    AUTO = "auto"
    """torch where there is a GPU; else onnx-int8 where the CPU has instructions for it and the checkpoint says that it
    decides as onnx does; else onnx."""
    TORCH = "torch"
    TORCH_BF16 = "torch-bf16"
    """torch with products in bfloat16, where the machine has instructions for them."""
    ONNX = "onnx"
    ONNX_INT8 = "onnx-int8"


class ServerConfig(BaseModel):
    """The settings of one server process."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: Annotated[dict[str, Path], Field(min_length=1)]
    """Name to checkpoint folder."""
    default_model: str = ""
    """Name that an empty model name stands for. Defaults to the first of `models`."""
    backend: Backend = Backend.AUTO
    """What runs the models."""
    export_folder: Path | None = None
    """Where checkpoints exported to ONNX are kept. Defaults to `speechtune/onnx` in the user's cache."""
    num_threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Cores that one window may use; streams gain more from windows side by side."""
    num_workers: Annotated[int, Field(ge=1, le=256)] | None = None
    """Windows scored side by side where the backend can. Defaults to one per core."""
    address: str = DEFAULT_ADDRESS
    """HOST:PORT; port 0 takes a free one, which is logged."""
    websocket_address: str | None = None
    """HOST:PORT where WebSockets are taken, for browsers. Defaults to none: no port is open for them."""
    websocket_origins: tuple[str, ...] = ()
    """Origins whose pages may open a WebSocket, such as "https://example.org"; "*" is every page. Pages that come from
    the host that they connect to always may, on whatever port."""
    websocket_hosts: tuple[str, ...] = ()
    """Names by which clients reach the WebSockets. IP addresses and localhost are always taken. Without TLS, other
    names must stand here, so that no foreign page gets in by a name of its own."""
    wyoming_uri: str | None = None
    """tcp://HOST:PORT where Wyoming is taken, for Home Assistant, without TLS and without keys. Defaults to none: no
    port is open for it."""
    wyoming_zeroconf: str | None = None
    """Name by which the local network is told of `wyoming_uri`, so that Home Assistant finds it. Defaults to none: the
    network is not told."""
    wyoming_without_keys: bool = False
    """Where `keys` is set: whether clients of Wyoming, which has no keys, may recognise without one."""
    max_streams: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Streams open at once; one more is refused. Defaults to what the cores carry with the backend, which is logged."""
    max_streams_per_client: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Streams of one key, or without keys of one IP address. Defaults to three quarters of `max_streams`, or all of
    four."""
    max_clips: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Recognize calls at once whose clip is here; one more is refused. As many clips more may be on their way."""
    max_clips_per_client: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Recognize calls at once of one key, or without keys of one IP address. Defaults to three quarters of `max_clips`,
    or all of four."""
    max_body_seconds: Annotated[float, Field(ge=0.1, le=3_600.0)] = 30.0
    """A unary request that has not come after so long is refused; where places are short, one that has not begun to
    come gives its own to another much earlier."""
    max_start_wait_seconds: Annotated[float, Field(ge=0.0, le=600.0)] = 30.0
    """How long a call that comes while the models are loaded waits for them; then it is answered UNAVAILABLE, with 0 at
    once."""
    max_batch: Annotated[int, Field(ge=1, le=4_096)] = 32
    """Windows scored at once."""
    max_wait_ms: Annotated[float, Field(ge=0.0, le=1_000.0)] = 4.0
    """How long a window waits for others to be scored with; part of every latency."""
    max_compute_seconds: Annotated[float, Field(ge=0.1, le=3_600.0)] = 30.0
    """A model that has not answered after so long is not waited for; its streams end with UNAVAILABLE."""
    max_clip_seconds: Annotated[float, Field(gt=0.0, le=3_600.0)] = 60.0
    """Longest clip Recognize takes."""
    max_content_bytes: Annotated[int, Field(ge=1_024, le=1 << 30)] = 16 << 20
    """Largest clip, and largest chunk of a stream."""
    max_in_flight_seconds: Annotated[float, Field(ge=1.0, le=3_600.0)] = 30.0
    """Audio of one stream that is received and not yet processed; more is refused. Bounds the memory of a stream."""
    max_in_flight_bytes: Annotated[int, Field(ge=1 << 20, le=1 << 30)] = 8 << 20
    """The same in bytes, which bounds it where a second is large: at a high rate, with many channels."""
    max_held_seconds: Annotated[float, Field(ge=1.0, le=180.0)] = 5.0
    """A stream's `preroll_ms`, `min_speech_ms` and `hangover_ms` together: audio that is held although it is processed.
    More is refused, unless the model's own recipe has it."""
    max_stream_seconds: Annotated[float, Field(ge=1.0)] | None = None
    """Longest stream. Defaults to no limit."""
    max_idle_seconds: Annotated[float, Field(ge=0.1, le=86_400.0)] | None = None
    """A stream that sends nothing for so long is ended. Defaults to no limit."""
    max_connection_age_seconds: Annotated[float, Field(ge=1.0, le=31_536_000.0)] | None = None
    """A connection takes no new calls after so long, so that clients spread anew; streams on it go on. Defaults
    to no limit."""
    drain_notice_seconds: Annotated[float, Field(ge=0.0, le=3_600.0)] = 1.0
    """How long running streams still take audio after they were warned that the server stops."""
    drain_deadline_seconds: Annotated[float, Field(ge=0.0, le=3_600.0)] = 10.0
    """How long, after the notice, streams may take to finish what they received; then they are cut off."""
    min_ping_interval_seconds: Annotated[float, Field(ge=0.1, le=3_600.0)] = 10.0
    """Keepalive pings of clients may come this often; devices behind a router need them well under its idle time."""

    model_folder: Path | None = None
    """Folder that ModelAdmin may load models from. Defaults to none: it may load nothing."""
    max_load_seconds: Annotated[float, Field(ge=0.1, le=86_400.0)] = 600.0
    """A model that LoadModel or a reload asks for and that is not there after so long is given up."""
    open_admin: bool = False
    """Without keys: whether everybody who reaches the server may use ModelAdmin."""
    keys: Path | None = None
    """TOML file with the API keys. Defaults to none: no keys are asked for."""
    certificate: Path | None = None
    """PEM file with the server's certificate chain. Defaults to none: no TLS."""
    private_key: Path | None = None
    """PEM file with the private key of the certificate."""
    client_authorities: Path | None = None
    """PEM file with the authorities of clients' certificates. Where it is set, every client must show one."""
    allow_plaintext: bool = False
    """Whether to listen without TLS beyond this machine: anybody on the way could listen in."""
    metrics_address: str | None = None
    """HOST:PORT where Prometheus finds metrics, over plain HTTP. Defaults to none: nothing is counted."""
    keep_hits: Path | None = None
    """Folder for the audio of detections and near misses, for `speechtune review`. Defaults to none: no audio is
    ever kept."""
    keep_hits_max_bytes: Annotated[int, Field(ge=1_024)] = 1 << 30
    """What the kept audio may take. The oldest goes first."""
    keep_hits_max_days: Annotated[float, Field(gt=0.0, le=3_650.0)] = 30.0
    """How long the audio is kept."""
    log_format: LogFormat = LogFormat.TEXT
    """text for a person, json (one object a line) for a machine; on stderr."""
    log_level: LogLevel = LogLevel.INFO
    """The least that is logged: debug, info, warning or error. Neither audio nor keys ever are."""
    trace: bool = False
    """Whether to trace calls with OpenTelemetry; the exporter is what OTEL_TRACES_EXPORTER names."""

    @field_validator("models")
    @classmethod
    def _names_are_plain(cls, models: dict[str, Path]) -> dict[str, Path]:
        for name in models:
            if not is_model_name(name):
                raise ValueError(f"model name {name!r}: {MODEL_NAME_RULE}")
        named = {composed(name): place for name, place in models.items()}
        if len(named) < len(models):
            raise ValueError(f"models {', '.join(models)}: two names are the same")
        return named

    @field_validator("default_model")
    @classmethod
    def _default_is_composed(cls, name: str) -> str:
        return composed(name)

    @field_validator("address", "websocket_address", "metrics_address")
    @classmethod
    def _address_is_host_and_port(cls, address: str | None) -> str | None:
        if address is not None:
            host_and_port(address)
        return address

    @field_validator("wyoming_uri")
    @classmethod
    def _uri_is_tcp(cls, uri: str | None) -> str | None:
        if uri is not None:
            if not uri.startswith(WYOMING_SCHEME):
                raise ValueError(f"{uri!r}: write tcp://HOST:PORT, for example tcp://127.0.0.1:10400")
            host_and_port(uri.removeprefix(WYOMING_SCHEME))
        return uri

    @field_validator("websocket_origins")
    @classmethod
    def _origins_are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin not in ("*", "null") and _ORIGIN.fullmatch(origin) is None:
                raise ValueError(f"origin {origin!r}: write SCHEME://HOST or SCHEME://HOST:PORT, with nothing after it")
        return tuple(origin.lower() for origin in origins)

    @model_validator(mode="after")
    def _default_is_a_model(self) -> ServerConfig:
        if self.default_model and self.default_model not in self.models:
            raise ValueError(f"default_model {self.default_model!r} is not one of: {', '.join(self.models)}")
        return self

    @model_validator(mode="after")
    def _wire_is_safe(self) -> ServerConfig:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key: give both or neither")
        if self.client_authorities is not None and self.certificate is None:
            raise ValueError("client_authorities: needs certificate and private_key")
        for setting in ("address", "websocket_address"):
            address = getattr(self, setting)
            if address and self.certificate is None and not self.allow_plaintext and not is_loopback(address):
                raise ValueError(
                    f"{setting} {address!r} is reached from other machines: set certificate and private_key, "
                    "or allow_plaintext = true where the network is trusted"
                )
        if self.metrics_address is not None and not self.allow_plaintext and not is_loopback(self.metrics_address):
            raise ValueError(
                f"metrics_address {self.metrics_address!r} is reached from other machines, over plain HTTP: "
                "set allow_plaintext = true where the network is trusted"
            )
        return self

    @model_validator(mode="after")
    def _wyoming_is_safe(self) -> ServerConfig:
        if self.wyoming_uri is None:
            if self.wyoming_zeroconf is not None:
                raise ValueError("wyoming_zeroconf: needs wyoming_uri, which is what it tells of")
            return self
        if not self.allow_plaintext and not is_loopback(self.wyoming_uri.removeprefix(WYOMING_SCHEME)):
            raise ValueError(
                f"wyoming_uri {self.wyoming_uri!r} is reached from other machines, and Wyoming has neither TLS nor "
                "keys: set allow_plaintext = true where the network is trusted"
            )
        if self.keys is not None and not self.wyoming_without_keys:
            raise ValueError(
                "wyoming_uri: Wyoming has no keys, so whoever reaches it needs none; set wyoming_without_keys = true "
                "if that is meant"
            )
        return self

    def in_flight_seconds(self, audio: PcmFormat) -> float:
        """How much of a stream in this form may be received and not yet processed."""
        return min(self.max_in_flight_seconds, self.max_in_flight_bytes / (audio.rate_hz * audio.bytes_per_frame))

    @property
    def stream_limit(self) -> int:
        """Streams open at once; where the settings leave it open and `with_streams` has not set it, the least."""
        return self.max_streams or LEAST_STREAMS

    def with_streams(self, num_streams: int) -> ServerConfig:
        """The same settings with `num_streams` for `max_streams`, where that was left open."""
        return self if self.max_streams is not None else self.model_copy(update={"max_streams": num_streams})

    @property
    def streams_per_client(self) -> int:
        """Streams that one client may have open."""
        return min(self.max_streams_per_client or share_of(self.stream_limit), self.stream_limit)

    @property
    def clips_per_client(self) -> int:
        """Clips of one client that may be in work."""
        return min(self.max_clips_per_client or share_of(self.max_clips), self.max_clips)

    @property
    def default_model_name(self) -> str:
        """Name that an empty model name stands for."""
        return self.default_model or next(iter(self.models))


def server_config(**settings: Any) -> ServerConfig:
    """Build the settings; what is not given takes its default.

    Raises:
        ConfigError: an unknown setting, or a value out of range; the message names it.
    """
    try:
        return ServerConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "server"
        raise ConfigError(f"server settings: {key}: {first['msg']} (got {first['input']!r})") from error


def load_server_config(path: Path | None, overrides: Mapping[str, Any]) -> ServerConfig:
    """Read the settings from a TOML file (None: the defaults); `overrides` go before what stands there.

    Paths in the file count from the file's folder.

    Raises:
        ConfigError: the file cannot be read, or as for `server_config`.
    """
    settings: dict[str, Any] = {}
    if path is not None:
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"server settings {path}: cannot be read ({error})") from error
        settings = {key: _beside(path, key, value) for key, value in settings.items()}
    return server_config(**{**settings, **overrides})


def _beside(path: Path, key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _beside(path, "models" if key == "models" else name, one) for name, one in value.items()}
    return str(path.parent / value) if key in _PATH_KEYS and isinstance(value, str) else value


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT is reached from this machine alone."""
    host, _ = host_and_port(address)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def host_and_port(address: str) -> tuple[str, int]:
    """Split HOST:PORT; an IPv6 host stands in brackets and loses them.

    Raises:
        ValueError: it has another form.

    >>> host_and_port("[::1]:50551")
    ('::1', 50551)
    """
    parts = _ADDRESS.fullmatch(address)
    if parts is None or int(parts["port"]) > 65_535:
        raise ValueError(f"address {address!r}: write HOST:PORT, for example {DEFAULT_ADDRESS} or [::1]:50551")
    return parts["host"].strip("[]"), int(parts["port"])
