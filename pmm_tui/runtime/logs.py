"""Structured log lines: one JSON object a line, to the run's own file and, without a console, to stderr."""

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from pmm_tui.record.files import open_private

_LEVELS = {"info": logging.INFO, "warn": logging.WARNING, "alarm": logging.ERROR}


class JsonLines(logging.Formatter):
    """{"t", "desk", "level", "event", ...}: `desk` is P for paper and L for LIVE, so that no line is ever ambiguous."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self._desk = mode[:1]

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "t": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "desk": self._desk,
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line.update(fields)
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def start_logs(folder: Path, mode: str, to_stderr: bool) -> logging.Logger:
    """The desk's logger, writing run.log (0600) in the run's folder."""
    logger = logging.getLogger("pmm_tui")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    sinks: list[logging.Handler] = [logging.StreamHandler(os.fdopen(open_private(folder / "run.log", flags), "a", encoding="utf-8"))]
    if to_stderr:
        sinks.append(logging.StreamHandler(sys.stderr))
    for sink in sinks:
        sink.setFormatter(JsonLines(mode))
        logger.addHandler(sink)
    return logger


def level_of(level: str) -> int:
    """The logging level of an event-log line's level."""
    return _LEVELS[level]
