"""Who may call what: API keys as salted hashes with scopes and rates, read from a TOML file.

    [keys.kitchen]
    salt = "…"            # hex
    sha256 = "…"          # of salt and secret, hex
    scopes = ["recognise"]
    calls_per_minute = 600

A client sends `authorization: Bearer NAME.SECRET`. Secrets are 256 random bits, which no hash needs to slow down for.
Without a file everybody may recognise, and nobody may administrate unless the settings say so.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from speechtune.errors import ConfigError, NotAuthenticatedError, NotPermittedError, ServiceOverloadedError
from speechtune_server.process.clock import Clock

_BEARER = re.compile(r"Bearer (?P<name>[A-Za-z0-9_-]{1,64})\.(?P<secret>[A-Za-z0-9_-]{16,128})")
_Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Scope(StrEnum):
    """What a key lets its holder do."""

    RECOGNISE = "recognise"
    ADMIN = "admin"


class ApiKey(BaseModel):
    """One key, without its secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    salt: _Hex32
    sha256: _Hex32
    scopes: frozenset[Scope] = frozenset({Scope.RECOGNISE})
    calls_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class _KeyFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")], ApiKey]


_NOBODY = ApiKey(salt="0" * 64, sha256="0" * 64)


class Access:
    """Decides about each call.

    Args:
        keys: by name; None: no keys are asked for.
        open_admin: whether, without keys, everybody may administrate.
        clock: tells the time.
    """

    def __init__(self, keys: Mapping[str, ApiKey] | None, open_admin: bool, clock: Clock) -> None:
        self._keys = keys
        self._open_admin = open_admin
        self._clock = clock
        self._spent: dict[str, tuple[float, float]] = {}

    def replace(self, keys: Mapping[str, ApiKey]) -> None:
        """Take other keys from the next call on; calls that run go on. What a key has spent stays spent."""
        self._keys = keys

    def admit(self, authorization: str, scope: Scope) -> str | None:
        """Let a call through; gives the name of its key, None where no keys are asked for.

        Raises:
            NotAuthenticatedError: no key, or not a right one; which of it is not told.
            NotPermittedError: the key has not this scope.
            ServiceOverloadedError: the key calls too often.
        """
        if self._keys is None:
            if scope is Scope.ADMIN and not self._open_admin:
                raise NotPermittedError("administration is closed; the server's settings must open it or name keys")
            return None
        bearer = _BEARER.fullmatch(authorization)
        name, secret = (bearer["name"], bearer["secret"]) if bearer else ("", "")
        key = self._keys.get(name, _NOBODY)
        # Compared in any case, so that the time tells nothing of which names there are.
        matches = hmac.compare_digest(hash_of(key.salt, secret), key.sha256)
        if not matches or key is _NOBODY:
            raise NotAuthenticatedError("send a valid key: authorization: Bearer NAME.SECRET")
        if scope not in key.scopes:
            raise NotPermittedError(f"this key has not the scope {scope.value!r}")
        self._spend(name, key.calls_per_minute)
        return name

    def _spend(self, name: str, calls_per_minute: int | None) -> None:
        """Take one call from a bucket that fills evenly and holds a minute's."""
        if calls_per_minute is None:
            return
        now = self._clock.now()
        left, since = self._spent.get(name, (float(calls_per_minute), now))
        left = min(left + (now - since) * calls_per_minute / 60.0, float(calls_per_minute))
        if left < 1.0:
            self._spent[name] = (left, now)
            raise ServiceOverloadedError(f"this key may make {calls_per_minute} calls a minute; try again later")
        self._spent[name] = (left - 1.0, now)


def hash_of(salt: str, secret: str) -> str:
    """SHA-256 of salt (hex) and secret, hex."""
    return hashlib.sha256(bytes.fromhex(salt) + secret.encode()).hexdigest()


def new_key(scopes: frozenset[Scope]) -> tuple[str, ApiKey]:
    """A fresh secret and the key to keep of it."""
    secret, salt = secrets.token_urlsafe(32), secrets.token_hex(32)
    return secret, ApiKey(salt=salt, sha256=hash_of(salt, secret), scopes=scopes)


def read_keys(path: Path) -> dict[str, ApiKey]:
    """Read a file of keys.

    Raises:
        ConfigError: it cannot be read, or does not have its form; values are never shown.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        return _KeyFile.model_validate(tree).keys
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"keys {path}: cannot be read ({type(error).__name__})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"keys {path}: {where}: {first['msg']}") from None
