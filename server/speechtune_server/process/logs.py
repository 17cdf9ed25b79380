"""What the server writes to stderr: lines for a person, or one JSON object a line for a machine.

Every line of a call carries its request id. Neither audio nor keys are ever logged, whatever the level.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from enum import StrEnum
from typing import TextIO

from speechtune_server.process.call_context import current_client, current_request_id

_OURS = ("speechtune", "speechtune_server")
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "request_id", "client", "taskName"}


class LogFormat(StrEnum):
    """The form of a line."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure_logs(form: LogFormat, level: LogLevel, out: TextIO | None = None) -> logging.Handler:
    """Write our own records of `level` and above, and others' warnings, to `out` (None: stderr); gives the handler."""
    handler = logging.StreamHandler(out or sys.stderr)
    handler.setFormatter(JsonLines() if form is LogFormat.JSON else TextLines())
    handler.addFilter(_with_call)
    root = logging.getLogger()
    root.handlers = [*(other for other in root.handlers if not getattr(other, "is_speechtune", False)), handler]
    handler.is_speechtune = True  # type: ignore[attr-defined]  # so that a second call replaces the first
    for name in _OURS:
        logging.getLogger(name).setLevel(level.name)
    return handler


class JsonLines(logging.Formatter):
    """One object a line: time (UTC), level, logger, message, request_id, client, what the record adds, the trace."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry: dict[str, object] = {
            "time": _utc(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: getattr(record, name) for name in ("request_id", "client") if getattr(record, name, "")}
        entry |= {name: value for name, value in vars(record).items() if name not in _PLAIN}
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """Time (UTC), level, message, request id; control characters that a client sent are shown as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the trace below it."""
        request_id = getattr(record, "request_id", "-")
        suffix = "" if request_id == "-" or request_id in record.getMessage() else f" [{request_id}]"
        line = f"{_utc(record)} {record.levelname:<7} {_one_line(record.getMessage())}{suffix}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _with_call(record: logging.LogRecord) -> bool:
    if not hasattr(record, "request_id"):
        record.request_id = current_request_id()
    record.client = current_client()
    return True


def _utc(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
