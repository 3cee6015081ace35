"""Structured log lines: one JSON object a line, to the run's own file and, without a console, to stderr."""

import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from pmm_tui.record.files import open_private, write_all

ROTATE_BYTES = 32 * 1024**2
KEPT = 3
"""So many full files stay beside the one that is written: run.log.1 is the newest of them."""
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


class Sink(logging.Handler):
    """Where lines go. A full disk or a terminal that is gone costs lines, which are counted, and never the desk."""

    def __init__(self, write: Callable[[str], None], done: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.lost = 0
        self._write = write
        self._done = done
        self._torn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            line = self.format(record) + "\n"
            self._write("\n" + line if self._torn else line)
            self._torn = False
        except (OSError, ValueError):  # ValueError: the stream is closed, or the text is none that UTF-8 can hold
            self.lost += 1
            self._torn = True

    def close(self) -> None:
        """Let go of the file."""
        if self._done is not None:
            done, self._done = self._done, None
            done()
        super().close()


class LogFile:
    """run.log, begun anew when it is full. OSError where it cannot be had or written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = self._open(path)
        self._size = os.fstat(self._fd).st_size

    def write(self, line: str) -> None:
        """One line."""
        data = line.encode()
        if self._size and self._size + len(data) > ROTATE_BYTES:
            self._turn()
        write_all(self._fd, data)
        self._size += len(data)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)

    def _turn(self) -> None:
        begun = self._path.with_name(f"{self._path.name}.new")
        fresh = self._open(begun)  # first of all: what fails after it would move the old ones on again at every line
        for number in range(KEPT, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)
        begun.replace(self._path)
        os.close(self._fd)
        self._fd, self._size = fresh, 0

    def _open(self, path: Path) -> int:
        return open_private(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def start_logs(folder: Path, mode: str, to_stderr: bool) -> logging.Logger:
    """The desk's logger, writing run.log (0600) in the run's folder; warnings of the libraries go there too."""
    end_logs()
    file = LogFile(folder / "run.log")
    sinks = [Sink(file.write, file.close)]
    if to_stderr:
        sinks.append(Sink(_to_stderr))
    for sink in sinks:
        sink.setFormatter(JsonLines(mode))
        logging.getLogger().addHandler(sink)
    logger = logging.getLogger("pmm_tui")
    logger.setLevel(logging.INFO)
    return logger


def end_logs() -> None:
    """Let go of the logs of a run in this process, if there is one."""
    root = logging.getLogger()
    for sink in [one for one in root.handlers if isinstance(one, Sink)]:
        root.removeHandler(sink)
        sink.close()


def level_of(level: str) -> int:
    """The logging level of an event-log line's level."""
    return _LEVELS[level]


def _to_stderr(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()
