"""A run's folder and its small files: private to the user, appended in whole lines, replaced in one step."""

import os
from pathlib import Path

import msgspec

_encode = msgspec.json.Encoder().encode

TRADES = "trades.jsonl"
TRADES_LIVE = "trades_production.jsonl"
STATE = "live_state.json"
STATE_LIVE = "live_state_production.json"
SUMMARY = "summary.json"


def private_folder(path: Path) -> Path:
    """Make the folder 0700, whatever the umask says; its parents as the umask says. An existing folder is made private too."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def open_private(path: Path, flags: int) -> int:
    """A file descriptor of a 0600 file that is not inherited and follows no link at its last step; an OSError where it cannot be had."""
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(fd, 0o600)
    except OSError:
        os.close(fd)
        raise
    return fd


def sync_folder(path: Path) -> None:
    """Make the folder's own entries durable: a new name, or a rename, is lost in a power cut without it."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte; the OSError of the write that failed otherwise, with a part written."""
    done = os.write(fd, data)
    while done < len(data):
        done += os.write(fd, data[done:])


def replace(path: Path, data: bytes) -> None:
    """Put `data` in place of the file at once: a reader, and a crash at any point, see the old file or the new one, whole."""
    draft = path.with_name(f".{path.name}.new")
    fd = open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_all(fd, data)
        os.fsync(fd)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    draft.replace(path)
    sync_folder(path.parent)


def append_line(path: Path, line: object) -> None:
    """One line more, as JSON. A line that a crash left half-written is ended first, so it spoils no other."""
    fd = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        size = os.fstat(fd).st_size
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        write_all(fd, (b"\n" if torn else b"") + _encode(line) + b"\n")
    finally:
        os.close(fd)


def replace_summary(folder: Path, summary: object) -> None:
    """summary.json: what the run came to, indented for people."""
    replace(folder / SUMMARY, msgspec.json.format(_encode(summary), indent=2) + b"\n")
