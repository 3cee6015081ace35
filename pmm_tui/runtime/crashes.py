"""Whether a profile's desks crash again and again: then the next one starts paused, and a person decides."""

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from pmm_tui.record.files import SUMMARY
from pmm_tui.record.lines import LIVE

WITHIN_S = 600
_RUN = re.compile(r"(?P<profile>.+)-\d{8}-\d{6}-[0-9a-f]+")


def crashed(logs: Path, profile: str, but: str, now: datetime) -> int:
    """How many runs of a profile ended within the last ten minutes without a summary; `but`: the run that asks.

    A run ends where its journal was last written. A start that was refused has none: it is no crash, and the desk that it was refused for
    may run on.
    """
    return sum(
        1
        for folder in _folders(logs)
        if folder.name != but and _is_of(folder.name, profile) and _ended_lately(folder / LIVE, now) and not (folder / SUMMARY).exists()
    )


def _folders(logs: Path) -> Iterable[Path]:
    return (one for one in logs.iterdir() if one.is_dir()) if logs.is_dir() else ()


def _is_of(run: str, profile: str) -> bool:
    found = _RUN.fullmatch(run)
    return found is not None and found["profile"] == profile


def _ended_lately(journal: Path, now: datetime) -> bool:
    try:
        found = journal.stat()
    except OSError:
        return False
    return found.st_size > 0 and abs(now.timestamp() - found.st_mtime) <= WITHIN_S
