"""The log of a process: one JSON object a line, appended to a file of mode 0600. What libraries say goes there too.

No card number may ever stand there. What could be one is struck out, although nobody is supposed to log it.

Whoever says something goes on, also where nothing can be written: a full disk costs lines, never a process.
"""

import contextlib
import logging
import os
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import orjson
import structlog

from holdfast.runtime.engine import Log

_LONG_NUMBER = re.compile(r"(?<![0-9])[0-9]{13,19}(?![0-9])")


def open_log(path: Path, name: str) -> Log:
    """A log that appends to that file and names the process in each line."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    logger = structlog.wrap_logger(
        Lines(descriptor),
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            without_long_numbers,
            in_order,
            structlog.processors.JSONRenderer(serializer=lambda line, **_: orjson.dumps(line, default=str).decode()),
        ],
        wrapper_class=structlog.BoundLogger,
    ).bind(process=name)

    def say(event: str, **facts: object) -> None:
        logger.info(event, **facts)

    return say


class Lines:
    """Whole lines at the end of a file. One for which there is no room is lost, and the next begins anew."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._torn = False

    def info(self, line: str) -> None:
        """One line, unless it cannot be written."""
        words = f"{line}\n".encode(errors="backslashreplace")
        if self._torn:
            words = b"\n" + words
        with contextlib.suppress(OSError):
            self._torn = os.write(self._descriptor, words) < len(words)


class Forwarding(logging.Handler):
    """Lets libraries speak through our log: their words, and of an error its kind, never its text or its values."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        error = record.exc_info[0] if record.exc_info else None
        # Only the text that stands in the library's code: the arguments may be anything.
        self._log(str(record.msg), library=record.name, error=error.__name__ if error else None)


def forward_libraries(log: Log) -> None:
    """From now on, what libraries warn of is a line of this log."""
    logging.basicConfig(handlers=[Forwarding(log)], level=logging.WARNING, force=True)


def without_long_numbers(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Runs of digits as long as a card number's are replaced, wherever in the line they stand as text."""
    for name, value in line.items():
        if isinstance(value, str) and name != "at":
            line[name] = _LONG_NUMBER.sub("[number]", value)
    return line


def in_order(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """When, who and what first: a person reads these lines too."""
    first = {name: line.pop(name) for name in ("at", "process", "event")}
    return {**first, **line}
