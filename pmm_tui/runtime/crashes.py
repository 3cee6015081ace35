"""Whether a profile's desks crash again and again: then the next one starts paused, and a person decides."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from pmm_tui.record.files import SUMMARY
from pmm_tui.record.lines import LIVE

WITHIN_S = 600
_RUN = re.compile(r"(?P<profile>.+)-(?P<began>\d{8}-\d{6})-[0-9a-f]+")


def crashed(logs: Path, profile: str, but: str, now: datetime) -> int:
    """How many runs of a profile that began within the last ten minutes have ended without a summary; `but`: the run that asks.

    A start that was refused has no journal: it is no crash, and the desk that it was refused for may run on.
    """
    return sum(
        1
        for folder in _folders(logs)
        if folder.name != but and _began_lately(folder.name, profile, now) and _journaled(folder) and not (folder / SUMMARY).exists()
    )


def _folders(logs: Path) -> Iterable[Path]:
    return (one for one in logs.iterdir() if one.is_dir()) if logs.is_dir() else ()


def _journaled(folder: Path) -> bool:
    journal = folder / LIVE
    return journal.is_file() and journal.stat().st_size > 0


def _began_lately(run: str, profile: str, now: datetime) -> bool:
    found = _RUN.fullmatch(run)
    if found is None or found["profile"] != profile:
        return False
    try:
        began = datetime.strptime(found["began"], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    return 0 <= (now - began).total_seconds() <= WITHIN_S
