"""Files of API keys for servers in tests."""

from __future__ import annotations

from pathlib import Path

from speechtune_server.process.access import Scope, new_key

RECOGNISE, ADMIN = frozenset({Scope.RECOGNISE}), frozenset({Scope.ADMIN})


def key_file(path: Path, **scopes_and_rates: tuple[frozenset[Scope], int | None]) -> dict[str, str]:
    """Write a file of keys; gives name to what a client sends."""
    tokens, lines = {}, []
    for name, (scopes, rate) in scopes_and_rates.items():
        secret, key = new_key(scopes)
        tokens[name] = f"{name}.{secret}"
        lines += [f"[keys.{name}]", f'salt = "{key.salt}"', f'sha256 = "{key.sha256}"']
        lines += [f"scopes = {[scope.value for scope in sorted(scopes)]}"]
        lines += [f"calls_per_minute = {rate}"] if rate else []
    path.write_text("\n".join(lines))
    return tokens
